package org.infinilm.svc.router;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.router.Circuit.Event;

/// A roster and what tests of it tell it.
abstract class RosterHarness {
  static final long SECOND = 1_000_000_000L;
  static final long GRACE = 60 * SECOND;
  static final Seating SEATING = new Seating(2, true, 10, Duration.ZERO, Line.Order.FIFO, 0, false);

  final Roster roster = new Roster(3, GRACE);
  final Slots slots = new Slots();

  static Known known(String name, int port, boolean running, boolean healthy) {
    return known(name, port, running, healthy, false, Map.of("type", "openai-api"));
  }

  static Known known(
      String name,
      int port,
      boolean running,
      boolean healthy,
      boolean fixed,
      Map<String, Object> metadata) {
    return new Known(
        name,
        "h",
        port,
        "http://h:" + port,
        List.of("m"),
        null,
        metadata,
        1,
        running,
        healthy,
        fixed,
        null,
        null);
  }

  static Known ok(String name) {
    return known(name, 8100, true, true);
  }

  State state(String name) {
    return entry(name).state();
  }

  Roster.Entry entry(String name) {
    return Objects.requireNonNull(roster.entry(name));
  }

  boolean up(String name, double seconds) {
    return roster.up(name, seconds, null, 0, 0.5);
  }

  boolean down(String name) {
    return roster.down(name, "does not answer", false, null, 0, 0.5);
  }

  /// What an exchange saw of it, at a second.
  boolean saw(String name, Event event, long second) {
    return roster.saw(name, entry(name).slot, event, second * SECOND, 0.5);
  }

  boolean table(long second, Known... entries) {
    return roster.table(List.of(entries), List.of(), second * SECOND);
  }

  void strike(String name, long second) {
    for (int k = 0; k < 3; k++) {
      saw(name, Event.STRIKE, second);
    }
  }

  void refuse(String name, long second) {
    for (int k = 0; k < 3; k++) {
      saw(name, Event.REFUSED, second);
    }
  }
}
