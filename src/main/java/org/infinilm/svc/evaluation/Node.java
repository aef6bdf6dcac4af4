package org.infinilm.svc.evaluation;

import org.infinilm.svc.simulator.LeapSettings;

/// One instance of a fleet.
///
/// @param seats requests that the router lets it have at once, 0 for any number, [#BY_POLICY]
/// @param slowFactor how many times as long its steps take while it is slow; 1 for never
/// @param slowFrom when that begins, as a share of the run's arrivals
/// @param slowTo when it ends
/// @param downFrom when it crashes, as a share of the run's arrivals; 1 for never
/// @param downTo when it is back, with nothing in its cache
record Node(
    String name,
    LeapSettings engine,
    int seats,
    double slowFactor,
    double slowFrom,
    double slowTo,
    double downFrom,
    double downTo) {
  /// One that is neither slow nor down.
  Node(String name, LeapSettings engine, int seats) {
    this(name, engine, seats, 1, 0, 0, 1, 1);
  }

  /// As many for a static instance that names none.
  static final int BY_POLICY = -1;

  /// The same with its seats said.
  Node seated(int ofStatic) {
    return seats == BY_POLICY
        ? new Node(name, engine, ofStatic, slowFactor, slowFrom, slowTo, downFrom, downTo)
        : this;
  }

  Node named(String other) {
    return new Node(other, engine, seats, slowFactor, slowFrom, slowTo, downFrom, downTo);
  }

  Node slow(double factor, double from, double to) {
    return new Node(name, engine, seats, factor, from, to, downFrom, downTo);
  }

  Node down(double from, double to) {
    return new Node(name, engine, seats, slowFactor, slowFrom, slowTo, from, to);
  }

  boolean crashes() {
    return downFrom < 1;
  }
}
