package org.infinilm.svc.evaluation;

import org.infinilm.svc.fleet.Hash;

/// Random numbers keyed by request and purpose, not by the order in which they are drawn, so that
/// every policy and every rate gets the same requests. Pure.
record Draws(long seed) {
  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  long bits(long index, int purpose) {
    return Hash.mix(Hash.mix(seed * GAMMA + purpose) + (index + 1) * GAMMA);
  }

  /// In 0..1, neither included.
  double unit(long index, int purpose) {
    return ((bits(index, purpose) >>> 11) + 0.5) * 0x1.0p-53;
  }

  /// Exponential with mean 1.
  double exponential(long index, int purpose) {
    return -Math.log(unit(index, purpose));
  }

  /// Standard normal (Box and Muller).
  double normal(long index, int purpose) {
    double r = Math.sqrt(-2 * Math.log(unit(index, 2 * purpose + 1000)));
    return r * Math.cos(2 * Math.PI * unit(index, 2 * purpose + 1001));
  }

  /// Lognormal: its median, and the standard deviation of its logarithm.
  double lognormal(long index, int purpose, double median, double sigma) {
    return median * Math.exp(sigma * normal(index, purpose));
  }
}
