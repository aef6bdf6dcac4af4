package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which instance fails one part of the requests time after time, whatever it does with the others:
/// one model of several (an adapter that did not load), one route, or one session; and which one
/// asked to be left alone with a model or such a route. For that part others are asked first;
/// nothing is said of its health. Thread-safe, bounded; costs two reads while there is no such
/// trouble.
///
/// A failed request of a session that may not be repeated shows nothing about its instance, and its
/// key would lead every other there as well.
/*
 * A pause ends by itself, with the first answer, and with the instance: whatever comes back after its
 * port refused is another process (Slot.life). When it is over one request goes there as a trial, and
 * the others wait for as long again or for what comes of it. Pauses double with each failure after one
 * is over. They are longer where a failure is lost: of requests that may not be repeated, and of
 * streams that break, which their client has begun to read.
 */
final class Troubles {
  /// Failures in a row after which a part of the requests goes elsewhere.
  static final int FEW = 3;

  /// The first pause, where a failure costs a try.
  static final long PAUSE_NANOS = 5_000_000_000L;

  static final long MOST_PAUSE_NANOS = 60_000_000_000L;

  /// The first pause, where a failure is lost.
  static final long LOSING_PAUSE_NANOS = 20_000_000_000L;

  /// What nobody has failed for so long is forgotten: the longest pause.
  static final long FORGET_NANOS = 600_000_000_000L;

  private static final long LOOK_NANOS = 1_000_000_000L;

  /// Pauses double so often at most.
  private static final int MOST_DOUBLINGS = 6;

  /// Parts of which something is remembered.
  static final int MOST = 4096;

  private static final Logger LOG = LoggerFactory.getLogger(Troubles.class);

  /// How it fails.
  enum How {
    /// Closed, or an answer of 500 and above.
    FAILS,
    /// No first byte in time, which another then had.
    HANGS,
    /// In the middle of an answer that had gone on for a while.
    BREAKS
  }

  /// When one may be asked.
  enum Turn {
    AS_OTHERS,
    /// After the others, and before anybody waits for them.
    LAST,
    /// Not while another can take the request, now or later.
    LEFT_ALONE
  }

  /// One instance and one part.
  ///
  /// @param life of the instance, which takes all of this with it
  /// @param failures in a row, and no answer between them
  /// @param sinceNanos when the pause began, or the trial after it
  /// @param tried whether a request has gone there after the pause and nothing is known of it
  /// @param breaks whether only a whole answer shows that it is well
  /// @param aloneUntilNanos until when it asked to be left alone; 0 for never
  private record At(
      int slot,
      long life,
      int failures,
      int doublings,
      long sinceNanos,
      boolean tried,
      boolean hangs,
      boolean breaks,
      long aloneUntilNanos) {

    static At fresh(int slot, long life, long now) {
      return new At(slot, life, 0, -1, now, false, false, false, 0);
    }

    At failed(How how, long now) {
      int n = Math.min(failures + 1, Integer.MAX_VALUE - 1);
      boolean again = n >= FEW && (tried || !pauses(now, false));
      return new At(
          slot,
          life,
          n,
          again ? Math.min(doublings + 1, MOST_DOUBLINGS) : doublings,
          again ? now : sinceNanos,
          false,
          how == How.HANGS,
          breaks || how == How.BREAKS,
          aloneUntilNanos);
    }

    At onTrial(long now) {
      return new At(slot, life, failures, doublings, now, true, hangs, breaks, aloneUntilNanos);
    }

    At leftAloneUntil(long until) {
      boolean later = aloneUntilNanos == 0 || until - aloneUntilNanos > 0;
      return later
          ? new At(slot, life, failures, doublings, sinceNanos, tried, hangs, breaks, until)
          : this;
    }

    /// Without its failures.
    At well() {
      return new At(slot, life, 0, -1, sinceNanos, false, false, false, aloneUntilNanos);
    }

    boolean isTrouble() {
      return failures >= FEW;
    }

    long pauseNanos(boolean loses) {
      return loses
          ? Math.min(FORGET_NANOS, LOSING_PAUSE_NANOS << Math.max(0, doublings))
          : Math.min(MOST_PAUSE_NANOS, PAUSE_NANOS << Math.max(0, doublings));
    }

    boolean pauses(long now, boolean loses) {
      return isTrouble() && doublings >= 0 && now - sinceNanos < pauseNanos(loses);
    }

    boolean isAlone(long now) {
      return aloneUntilNanos != 0 && now - aloneUntilNanos < 0;
    }

    Turn turn(long now, boolean repeatable) {
      boolean loses = breaks || !repeatable;
      if (isAlone(now)) {
        return Turn.LEFT_ALONE;
      }
      return !pauses(now, loses) ? Turn.AS_OTHERS : loses || hangs ? Turn.LEFT_ALONE : Turn.LAST;
    }

    long leftAloneNanos(long now, boolean repeatable) {
      boolean loses = breaks || !repeatable;
      long pause =
          pauses(now, loses) && (loses || hangs) ? pauseNanos(loses) - (now - sinceNanos) : 0;
      return isAlone(now) ? Math.max(pause, aloneUntilNanos - now) : pause;
    }

    boolean isOver(long now) {
      return !isAlone(now) && (failures == 0 || now - sinceNanos > FORGET_NANOS);
    }
  }

  private final Slots slots;
  private final Ticker ticker;
  private final Map<Long, List<At>> parts = new ConcurrentHashMap<>();
  private final AtomicLong lookedNanos;

  Troubles(Slots slots, Ticker ticker) {
    this.slots = slots;
    this.ticker = ticker;
    this.lookedNanos = new AtomicLong(ticker.nanos());
  }

  /// Whether anything is remembered.
  boolean some() {
    return !parts.isEmpty();
  }

  /// Notes that a request failed on an instance, perhaps by the request's own fault.
  ///
  /// @return whether others are asked first from now on
  boolean failed(Instance i, Part part, How how) {
    boolean begins = false;
    if (part.isOneOf(i.models().size())) {
      begins = failed(i, part.alike(), how) == FEW;
      if (begins) {
        LOG.warn(
            "instance {} fails {} time after time: others are asked first for it",
            i.name(),
            part.words());
      }
    }
    return part.key() != 0 ? failed(i, part.ofKey(), how) == FEW || begins : begins;
  }

  /// Notes that an instance said that it has not the route.
  void lacksRoute(Instance i, Part part) {
    if (failed(i, part.ofHaving(), How.FAILS) == FEW) {
      LOG.warn(
          "instance {} has not the route {}: others are asked first for it", i.name(), part.at());
    }
  }

  private int failed(Instance i, long part, How how) {
    long now = ticker.nanos();
    At at = change(i.slot(), part, now, a -> a.failed(how, now));
    return at == null ? 0 : at.failures;
  }

  /// Leaves an instance alone with a model, or with a route beside its prompts, for so long: it
  /// asked for that, perhaps for these requests alone.
  void pause(Instance i, Part part, long nanos) {
    long now = ticker.nanos();
    long until = now + nanos == 0 ? 1 : now + nanos;
    change(i.slot(), part.alike(), now, a -> a.leftAloneUntil(until));
  }

  /// Changes what is known of an instance and a part; null when there is no room for more.
  private @Nullable At change(int slot, long part, long now, UnaryOperator<At> how) {
    forgetOld(now);
    if (parts.size() >= MOST && !parts.containsKey(part)) {
      return null;
    }
    long life = slots.at(slot).life;
    List<At> all =
        parts.compute(
            part,
            (p, before) -> {
              List<At> after = new ArrayList<>();
              At mine = At.fresh(slot, life, now);
              for (At a : before == null ? List.<At>of() : before) {
                if (a.slot == slot) {
                  mine = a.life == life ? a : mine;
                } else if (!a.isOver(now)) {
                  after.add(a);
                }
              }
              after.add(how.apply(mine));
              return List.copyOf(after);
            });
    return all.getLast();
  }

  private void forgetOld(long now) {
    long last = lookedNanos.get();
    if (now - last >= LOOK_NANOS && lookedNanos.compareAndSet(last, now)) {
      parts.values().removeIf(all -> all.stream().allMatch(a -> a.isOver(now)));
    }
  }

  /// Notes that an instance answers a request.
  ///
  /// @param whole whether to the end
  /// @return whether others were asked first until now
  boolean answered(Instance i, Part part, boolean whole) {
    if (!some()) {
      return false;
    }
    long now = ticker.nanos();
    boolean ends = isWell(i, part.alike(), whole, now);
    ends |= isWell(i, part.ofKey(), whole, now);
    ends |= isWell(i, part.ofHaving(), whole, now);
    forgetOld(now);
    return ends;
  }

  private boolean isWell(Instance i, long part, boolean whole, long now) {
    At at = at(i.slot(), part);
    if (at == null || (at.breaks && !whole)) {
      return false;
    }
    parts.computeIfPresent(
        part,
        (p, before) -> {
          List<At> after =
              before.stream()
                  .map(a -> a.slot == i.slot() ? a.well() : a)
                  .filter(a -> !a.isOver(now))
                  .toList();
          return after.isEmpty() ? null : after;
        });
    return at.isTrouble();
  }

  /// Notes that a request goes to an instance. After a pause it is its trial.
  void goes(Instance i, Part part, boolean repeatable) {
    if (some()) {
      goes(i.slot(), part.alike(), repeatable);
      goes(i.slot(), part.ofKey(), repeatable);
      goes(i.slot(), part.ofHaving(), repeatable);
    }
  }

  private void goes(int slot, long part, boolean repeatable) {
    long now = ticker.nanos();
    At at = at(slot, part);
    if (at != null && at.isTrouble() && !at.pauses(now, at.breaks || !repeatable)) {
      change(slot, part, now, a -> a.isTrouble() ? a.onTrial(now) : a);
    }
  }

  /// What is known of a part at this moment, for one decision; null when nothing is.
  ///
  /// @param repeatable whether the request may be sent again when it fails
  @Nullable View view(Part part, boolean repeatable) {
    if (!some()) {
      return null;
    }
    List<At> alike = parts.getOrDefault(part.alike(), List.of());
    List<At> ofKey = parts.getOrDefault(part.ofKey(), List.of());
    List<At> having = parts.getOrDefault(part.ofHaving(), List.of());
    return alike.isEmpty() && ofKey.isEmpty() && having.isEmpty()
        ? null
        : new View(alike, ofKey, having, repeatable, ticker.nanos());
  }

  /// When instances may be asked for requests of one part.
  final class View {
    private final List<At> alike;
    private final List<At> ofKey;
    private final List<At> having;
    private final boolean repeatable;
    private final long now;

    private View(List<At> alike, List<At> ofKey, List<At> having, boolean repeatable, long now) {
      this.alike = alike;
      this.ofKey = ofKey;
      this.having = having;
      this.repeatable = repeatable;
      this.now = now;
    }

    Turn turn(int slot) {
      return latest(turn(at(slot, alike)), latest(turn(at(slot, ofKey)), turn(at(slot, having))));
    }

    /// Whether it said time after time that it has not the route.
    boolean lacksRoute(int slot) {
      return turn(at(slot, having)) != Turn.AS_OTHERS;
    }

    private static Turn latest(Turn a, Turn b) {
      return a.compareTo(b) > 0 ? a : b;
    }

    private Turn turn(@Nullable At at) {
      return at == null ? Turn.AS_OTHERS : at.turn(now, repeatable);
    }

    /// How long it is left alone still, in nanoseconds; 0 when it is not.
    long leftAloneNanos(int slot) {
      long ofAll = Math.max(leftAloneNanos(at(slot, alike)), leftAloneNanos(at(slot, having)));
      return Math.max(ofAll, leftAloneNanos(at(slot, ofKey)));
    }

    private long leftAloneNanos(@Nullable At at) {
      return at == null ? 0 : at.leftAloneNanos(now, repeatable);
    }
  }

  /// Failures in a row of requests of this part; 0 when there was none.
  int failuresInARow(Instance i, Part part) {
    if (!some()) {
      return 0;
    }
    At m = at(i.slot(), part.alike());
    At k = at(i.slot(), part.ofKey());
    return Math.max(m == null ? 0 : m.failures, k == null ? 0 : k.failures);
  }

  private @Nullable At at(int slot, long part) {
    return at(slot, parts.getOrDefault(part, List.of()));
  }

  private @Nullable At at(int slot, List<At> all) {
    for (int k = 0; k < all.size(); k++) {
      At a = all.get(k);
      if (a.slot == slot) {
        return a.life == slots.at(slot).life ? a : null;
      }
    }
    return null;
  }
}
