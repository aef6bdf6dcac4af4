package org.infinilm.svc.policy;

import java.util.concurrent.ConcurrentHashMap;

/// What instances of one model and cache type cost, learned from answers, and how fast each of them
/// is beside that. Written by the learner's thread, read by event loops; what is read at once
/// belongs together.
/*
 * Seconds of a prompt: a + b u + c u^2, u in 4,096 new tokens, from requests before which nothing else
 * was to be computed. Seconds between tokens: a + b x longest context + c x contexts together, from
 * whole answers less what the prompts of others were foretold to take in that time. Both are of a
 * typical instance; an instance's own factor is a moving average of the logarithm of what it took over
 * what was expected, and goes back to 1 while nothing is heard of it, so that who was slow is tried
 * again.
 */
final class Costs {
  private static final double BLOCK = 4096;
  private static final double STEP = 0.15;
  private static final double STALL_STEP = 0.05;
  private static final double MOST_STEP = 0.8;
  private static final double BACK_NANOS = 30e9;
  private static final double LEAST_SECONDS = 1e-4;

  /// What was learned so far; replaced as a whole.
  private record Known(LeastSquares prompt, LeastSquares token) {}

  private record Speed(double log, long atNanos) {}

  private volatile Known known =
      new Known(LeastSquares.guess(0.01, 0.15, 0.02), LeastSquares.guess(0.008, 0.001, 0.0002));
  private final ConcurrentHashMap<String, Speed> speeds = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Double> stalls = new ConcurrentHashMap<>();

  /// Prompts that it was learned from.
  int prompts() {
    return known.prompt().seen();
  }

  int answers() {
    return known.token().seen();
  }

  /// Nanoseconds that a typical instance needs for so many new tokens of a prompt.
  double promptNanos(double newTokens) {
    double u = newTokens / BLOCK;
    return 1e9 * Math.max(LEAST_SECONDS, known.prompt().at(1, u, u * u));
  }

  /// Nanoseconds between two tokens.
  double tokenNanos(double longest, double total) {
    return 1e9 * Math.max(LEAST_SECONDS, known.token().at(1, longest / BLOCK, total / BLOCK));
  }

  /// How many times as long this instance takes.
  double factor(String instance, long nowNanos) {
    Speed s = speeds.get(instance);
    return s == null
        ? 1
        : Math.exp(s.log() * Math.exp(-Math.max(0, nowNanos - s.atNanos()) / BACK_NANOS));
  }

  /// The first token of a request came `nanos` after it was sent, nothing else being before it.
  void prompt(String instance, double newTokens, double nanos, long nowNanos) {
    double u = newTokens / BLOCK;
    double expected = promptNanos(newTokens);
    int seen = known.prompt().seen();
    double f = factor(instance, nowNanos);
    known =
        new Known(
            known.prompt().after(Math.max(LEAST_SECONDS, nanos / f / 1e9), 1, u, u * u),
            known.token());
    if (seen >= 20) {
      heard(instance, nanos / expected, 0.6, nowNanos);
    }
  }

  /// Tokens came in `nanos` each.
  void token(String instance, double longest, double total, double nanos, long nowNanos) {
    double expected = tokenNanos(longest, total);
    int seen = known.token().seen();
    double f = factor(instance, nowNanos);
    known =
        new Known(
            known.prompt(),
            known
                .token()
                .after(
                    Math.max(LEAST_SECONDS, nanos / f / 1e9), 1, longest / BLOCK, total / BLOCK));
    if (seen >= 20) {
      heard(instance, nanos / expected, 1, nowNanos);
    }
  }

  /// Share of the time of its answers that an instance spends on the prompts of others.
  double stalledShare(String instance) {
    return stalls.getOrDefault(instance, 0.0);
  }

  /// So large a share of an answer's time went to the prompts of others.
  void stalled(String instance, double share) {
    stalls.merge(instance, share, (a, b) -> a + STALL_STEP * (b - a));
  }

  private void heard(String instance, double ratio, double weight, long nowNanos) {
    double before = Math.log(factor(instance, nowNanos));
    double off = Math.clamp(Math.log(ratio) - before, -MOST_STEP, MOST_STEP);
    speeds.put(instance, new Speed(before + STEP * weight * off, nowNanos));
  }
}
