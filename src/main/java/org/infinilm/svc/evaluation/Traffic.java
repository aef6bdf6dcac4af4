package org.infinilm.svc.evaluation;

/// A source of workloads: the same requests at any rate.
interface Traffic {
  String name();

  /// Requests of a seed at a rate.
  ///
  /// @param perSecond requests (or first turns of conversations, times their turns) a second
  Workload at(long seed, double perSecond);
}
