package org.infinilm.svc.router;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.infinilm.svc.router.Outliers.Sample;

/// Compares instances with their peers in windows of time, and takes out those that serve far worse
/// ([Outliers]). Woken from any thread; all else is for the thread of the [Roster].
final class OutlierWatch {
  private static final long WINDOW_NANOS = Duration.ofSeconds(10).toNanos();

  /// How long a window stays open for instances that get few requests.
  private static final long MOST_WINDOW_NANOS = Duration.ofMinutes(5).toNanos();

  /// The counters of an instance when this window began.
  private static final class Counted {
    long goodBefore;
    long badBefore;
    Outliers.Pace paceBefore = Outliers.Pace.NONE;
    boolean late;
    boolean wasLate;
  }

  private final Roster roster;
  private final Slots slots;
  private final RandomGenerator random;
  private final Map<Roster.Entry, Counted> counted = new HashMap<>();
  private volatile boolean awake;
  private boolean windowOpen;
  private boolean slept = true;
  private long windowNanos;

  OutlierWatch(Roster roster, Slots slots, RandomGenerator random) {
    this.roster = roster;
    this.slots = slots;
    this.random = random;
  }

  /// Notes that requests failed or were late; true when nobody had since it slept.
  boolean wake() {
    boolean slept = !awake;
    if (slept) {
      awake = true;
    }
    return slept;
  }

  /// Whether there is something to look at as time passes.
  boolean awake() {
    return awake;
  }

  /// Takes out who serves far worse than its peers in this window. A window begins with the first
  /// failure or late first byte, and another follows as long as there are some.
  boolean look(long now) {
    if (!windowOpen) {
      beginWindow(now);
    }
    counted.keySet().removeIf(e -> !roster.has(e));
    boolean changed = false;
    boolean failures = false;
    List<Sample> window = new ArrayList<>();
    for (Roster.Entry e : roster.entries()) {
      if (e.state() == State.ROUTABLE) {
        Slot s = slots.at(e.slot);
        Counted m = counted(e);
        Sample sample =
            new Sample(
                e.known.name(),
                e.known.cacheType() + "/" + Seating.tier(e.known.metadata()),
                e.models(),
                Math.max(0, s.goodOnes() - m.goodBefore),
                // some of an earlier window may have been taken back
                Math.max(0, s.badOnes() - m.badBefore),
                pace(s).since(m.paceBefore),
                m.wasLate);
        m.late = sample.pace().late();
        failures |= sample.bad() > 0 || m.late;
        window.add(sample);
      } else {
        // what led to a verdict counts in no other one
        beginsAnew(e);
      }
    }
    for (String name : Outliers.of(window)) {
      Roster.Entry e = roster.entry(name);
      if (e != null) {
        changed |= roster.saw(name, e.slot, Event.OUTLIER, now, random.nextDouble());
      }
    }
    long age = now - windowNanos;
    if (age >= MOST_WINDOW_NANOS || (age >= WINDOW_NANOS && Outliers.decided(window))) {
      for (Roster.Entry e : roster.entries()) {
        Counted m = counted(e);
        m.badBefore = slots.at(e.slot).badOnes();
        noteAnswers(e, m);
        m.wasLate = m.late;
        slots.at(e.slot).beginWindow();
      }
      windowOpen = false;
      awake = failures;
      slept |= !failures;
    }
    return changed;
  }

  /// What failed since the last window counts in this one: it is why this one begins. What was
  /// answered meanwhile does too, unless nobody has looked for long.
  private void beginWindow(long now) {
    windowOpen = true;
    windowNanos = now;
    if (slept) {
      slept = false;
      for (Roster.Entry e : roster.entries()) {
        noteAnswers(e, counted(e));
        slots.at(e.slot).beginWindow();
      }
    }
  }

  private void noteAnswers(Roster.Entry e, Counted m) {
    Slot s = slots.at(e.slot);
    m.goodBefore = s.goodOnes();
    m.paceBefore = pace(s);
  }

  private void beginsAnew(Roster.Entry e) {
    Slot s = slots.at(e.slot);
    Counted m = counted(e);
    m.badBefore = s.badOnes();
    noteAnswers(e, m);
    m.late = false;
    m.wasLate = false;
  }

  private static Outliers.Pace pace(Slot s) {
    return new Outliers.Pace(s.streams(), s.firstByteNanos(), s.streamWork());
  }

  private Counted counted(Roster.Entry e) {
    return counted.computeIfAbsent(e, k -> new Counted());
  }
}
