package org.infinilm.svc.simulator;

/// What a step end gives one job: a token, or the end without one.
///
/// @param atNanos virtual time
/// @param token whether a token came
/// @param cachedTokens prompt tokens that were taken from the cache
/// @param end whether and why the job ended with it
record Emission(long job, long atNanos, boolean token, int cachedTokens, End end) {
  /// Why a job ended.
  enum End {
    /// More follows.
    NOT_YET,
    /// All tokens that were asked for came.
    COMPLETE,
    /// The cache was full.
    CACHE_FULL,
    /// The job was cancelled; the core itself never says so.
    CANCELLED
  }
}
