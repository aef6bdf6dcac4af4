package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which instance fails one part of the requests time after time, whatever it does with the others:
/// one model of several (an adapter that did not load), or one session. For that part it is passed
/// over while another instance is left; nothing is said of its health. Thread-safe, bounded; costs
/// one read while there is no such trouble.
///
/// A failed request of a session that may not be repeated shows nothing about its instance, and its
/// key would lead every other there as well.
final class Troubles {
  /// Failures in a row after which a part of the requests goes elsewhere.
  static final int FEW = 3;

  /// The first pause, which doubles with each failure after one is over.
  static final long PAUSE_NANOS = 5_000_000_000L;

  static final long MOST_PAUSE_NANOS = 60_000_000_000L;

  /// What nobody has failed for so long is forgotten.
  static final long FORGET_NANOS = 600_000_000_000L;

  private static final long LOOK_NANOS = 1_000_000_000L;

  /// Parts of which failures are remembered.
  static final int MOST = 4096;

  private static final Logger LOG = LoggerFactory.getLogger(Troubles.class);

  /// @param instance hash of its name
  /// @param failures in a row, and no answer between them
  private record At(long instance, int failures, long sinceNanos, long pauseNanos) {
    At failedAgain(long now) {
      int n = Math.min(failures + 1, Integer.MAX_VALUE - 1);
      if (n < FEW || passedOver(now, true)) {
        return new At(instance, n, sinceNanos, pauseNanos);
      }
      return new At(instance, n, now, Math.min(MOST_PAUSE_NANOS, 2 * pauseNanos));
    }

    boolean passedOver(long now, boolean repeatable) {
      return failures >= FEW && now - sinceNanos < (repeatable ? pauseNanos : FORGET_NANOS);
    }
  }

  private final Ticker ticker;
  private final Map<Long, List<At>> parts = new ConcurrentHashMap<>();

  private final AtomicLong lookedNanos;

  /// Until when an instance is left alone with a model, by both.
  private final Map<Long, Long> pauses = new ConcurrentHashMap<>();

  /// Whether there are any. Written under the lock of `parts`' entry, read on every request.
  private volatile boolean some;

  Troubles(Ticker ticker) {
    this.ticker = ticker;
    this.lookedNanos = new AtomicLong(ticker.nanos());
  }

  /// Whether any instance has failed any part of late.
  boolean some() {
    return some;
  }

  /// Whether an instance has failed this part, or asked for a pause of any.
  boolean concern(Part part) {
    return some
        && (!pauses.isEmpty()
            || parts.containsKey(part.ofModel())
            || parts.containsKey(part.ofKey()));
  }

  /// Notes that a request failed on an instance, perhaps by the request's own fault.
  void failed(Instance i, Part part) {
    if (part.model() != null && i.models().size() > 1) {
      int n = failed(i, part.ofModel());
      if (n == FEW) {
        LOG.warn(
            "instance {} fails model {} time after time: others are asked first for it",
            i.name(),
            part.model());
      }
    }
    if (part.key() != 0) {
      failed(i, part.ofKey());
    }
  }

  private int failed(Instance i, long part) {
    long now = ticker.nanos();
    forgetOld(now);
    if (parts.size() >= MOST && !parts.containsKey(part)) {
      return 0;
    }
    some = true;
    List<At> all =
        parts.compute(
            part,
            (p, before) -> {
              List<At> after = new ArrayList<>();
              At mine = new At(i.nameHash(), 0, now, PAUSE_NANOS / 2);
              for (At a : before == null ? List.<At>of() : before) {
                if (a.instance == i.nameHash()) {
                  mine = a;
                } else if (now - a.sinceNanos <= FORGET_NANOS) {
                  after.add(a);
                }
              }
              after.add(mine.failedAgain(now));
              return List.copyOf(after);
            });
    return all.getLast().failures;
  }

  private void forgetOld(long now) {
    long last = lookedNanos.get();
    if (now - last >= LOOK_NANOS && lookedNanos.compareAndSet(last, now)) {
      parts.values().removeIf(all -> all.stream().allMatch(a -> now - a.sinceNanos > FORGET_NANOS));
    }
  }

  /// Notes that an instance answered a request.
  void answered(Instance i, Part part) {
    if (some) {
      forget(i, part.ofModel());
      forget(i, part.ofKey());
      some = !parts.isEmpty() || !pauses.isEmpty();
    }
  }

  /// Leaves an instance alone with a model for so long: it asked for that, perhaps for this model
  /// alone.
  void pause(Instance i, Part part, long nanos) {
    long now = ticker.nanos();
    if (pauses.size() >= MOST) {
      pauses.values().removeIf(until -> now - until >= 0);
    }
    if (pauses.size() < MOST) {
      pauses.merge(pair(i, part), now + nanos, (a, b) -> a - b > 0 ? a : b);
      some = true;
    }
  }

  private boolean paused(Instance i, Part part, long now) {
    long pair = pair(i, part);
    Long until = pauses.get(pair);
    if (until != null && now - until >= 0) {
      pauses.remove(pair, until);
      until = null;
    }
    return until != null;
  }

  private static long pair(Instance i, Part part) {
    return Hash.mix(i.nameHash() ^ Long.rotateLeft(part.ofModel(), 1));
  }

  private void forget(Instance i, long part) {
    if (part != 0) {
      parts.computeIfPresent(
          part,
          (p, before) -> {
            List<At> after = before.stream().filter(a -> a.instance != i.nameHash()).toList();
            return after.isEmpty() ? null : after;
          });
    }
  }

  /// Whether others are to be asked first. After the pause only what can be repeated shows whether
  /// it still fails, for that is lost to nobody.
  boolean passedOver(Instance i, Part part, boolean repeatable) {
    if (!some) {
      return false;
    }
    long now = ticker.nanos();
    At m = at(i, part.ofModel());
    At k = at(i, part.ofKey());
    return paused(i, part, now)
        || (m != null && m.passedOver(now, repeatable))
        || (k != null && k.passedOver(now, repeatable));
  }

  /// Failures in a row of requests of this part; 0 when there was none.
  int failuresInARow(Instance i, Part part) {
    if (!some) {
      return 0;
    }
    At m = at(i, part.ofModel());
    At k = at(i, part.ofKey());
    return Math.max(m == null ? 0 : m.failures, k == null ? 0 : k.failures);
  }

  private @Nullable At at(Instance i, long part) {
    if (part != 0) {
      for (At a : parts.getOrDefault(part, List.of())) {
        if (a.instance == i.nameHash()) {
          return a;
        }
      }
    }
    return null;
  }
}
