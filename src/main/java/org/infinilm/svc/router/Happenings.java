package org.infinilm.svc.router;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// What changed in the fleet, with its cause: the last few, and how often instances have come into
/// each state. Thread-safe.
final class Happenings {
  /// Stands for an instance where the router's files are meant.
  static final String SETTINGS = "(settings)";

  private static final int MOST = 256;

  /// One change.
  ///
  /// @param sequence from 1
  /// @param instance in brackets what is none: [#SETTINGS], a source
  /// @param state what the instance came into, in lower case; `left` when it is no more
  /// @param before what it was in, or null when it is new
  /// @param why its cause, or an empty text
  record Happening(
      long sequence,
      long epochMillis,
      String instance,
      String state,
      @Nullable String before,
      String why) {}

  private final Ticker ticker;
  private final ArrayDeque<Happening> last = new ArrayDeque<>();
  private final Map<String, Map<State, Long>> changes = new HashMap<>();
  private final Map<String, Long> sinceMillis = new HashMap<>();
  private long sequence;

  Happenings(Ticker ticker) {
    this.ticker = ticker;
  }

  static String word(State s) {
    return s.name().toLowerCase(Locale.ROOT);
  }

  /// An instance has come into a state.
  ///
  /// @param before null when it is new
  synchronized void changed(String instance, @Nullable State before, State now, String why) {
    if (before != null) {
      changes.computeIfAbsent(instance, k -> new EnumMap<>(State.class)).merge(now, 1L, Long::sum);
    }
    sinceMillis.put(instance, ticker.now().toEpochMilli());
    add(instance, word(now), before == null ? null : word(before), why);
  }

  /// An instance is no more.
  synchronized void left(String instance, State before) {
    changes.remove(instance);
    sinceMillis.remove(instance);
    add(instance, "left", word(before), "");
  }

  /// The router's files were read: `loaded` or `refused`.
  synchronized void settings(String state, String why) {
    add(SETTINGS, state, null, why);
  }

  /// How it stands with a source of instances has changed.
  synchronized void source(
      String source, SourceBoard.State now, SourceBoard.State before, String why) {
    add("(" + source + ")", now.word(), before.word(), why);
  }

  private void add(String instance, String state, @Nullable String before, String why) {
    if (last.size() == MOST) {
      last.removeFirst();
    }
    long now = ticker.now().toEpochMilli();
    last.addLast(new Happening(++sequence, now, instance, state, before, why));
  }

  /// Those after a sequence number, oldest first, as far as they are kept.
  synchronized List<Happening> since(long seen) {
    List<Happening> out = new ArrayList<>();
    for (Happening h : last) {
      if (h.sequence() > seen) {
        out.add(h);
      }
    }
    return out;
  }

  /// Since when an instance is in its state; null when it is not known.
  synchronized @Nullable Long sinceMillis(String instance) {
    return sinceMillis.get(instance);
  }

  /// How often instances that are here have come into each state.
  synchronized void counts(BiConsumer<String, Map<State, Long>> each) {
    changes.forEach(each);
  }
}
