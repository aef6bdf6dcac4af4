package org.infinilm.svc.simulator;

/// Deterministic randomness whose whole state is one long, so that it can be forked. The mixing
/// function is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom
/// Number Generators", OOPSLA 2014).
final class Seeds {
  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  private Seeds() {}

  static long mix(long z) {
    long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
    return b ^ (b >>> 31);
  }

  /// The `n`th number of stream `seed`.
  static long at(long seed, long n) {
    return mix(seed + (n + 1) * GAMMA);
  }

  /// The `n`th number of stream `seed`, in 0..1 (1 excluded).
  static double unitAt(long seed, long n) {
    return (at(seed, n) >>> 11) * 0x1.0p-53;
  }
}
