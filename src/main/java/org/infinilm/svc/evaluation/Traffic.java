package org.infinilm.svc.evaluation;

/// A source of workloads: the same requests at any rate.
interface Traffic {
  String name();

  /// Requests of a seed at a rate.
  ///
  /// @param perSecond requests (or first turns of conversations, times their turns) a second
  Workload at(long seed, double perSecond);

  /// Whether a request is one of which figures are told; one whose length is a guess is load alone.
  default boolean counts(int id) {
    return true;
  }
}
