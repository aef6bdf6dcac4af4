package org.infinilm.svc.simulator;

import java.util.function.UnaryOperator;

/// Decides what each step computes: one implementation per engine design. Has no clock; owned by
/// one [EngineCore], which calls it between steps only.
interface Scheduler {
  void enqueue(Sequence sequence);

  /// The next step; admits waiting sequences. Empty when there is nothing to do.
  Batch next();

  /// The whole prompt of `sequence` is in the cache.
  void prefilled(Sequence sequence);

  /// `sequence` leaves, whether waiting, running, finished or cancelled; frees what it held.
  void remove(Sequence sequence);

  int running();

  int waiting();

  /// Share of the cache in use, 0..1.
  double cacheUsage();

  /// The same state over copies of its sequences.
  Scheduler fork(UnaryOperator<Sequence> copies);
}
