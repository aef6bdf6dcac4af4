package org.infinilm.svc.simulator;

/// How long one step takes, in milliseconds at speed 1.
///
/// A step costs the sum of its prefill part and its decode part: `prefillBase + prefillToken * n +
/// prefillContext * sum(new * context after)` when it computes n prompt tokens, and `max(1,
/// decodeBase + decodeShare * p + decodeShareSquared * p^2 + decodeSequence * sequences +
/// decodeContext * context tokens)` when it decodes, p being the context tokens over
/// `referenceTokens`, at most 1. Pure; thread-safe.
record LatencyModel(
    double prefillBaseMillis,
    double prefillTokenMillis,
    double prefillContextMillis,
    double decodeBaseMillis,
    double decodeShareMillis,
    double decodeShareSquaredMillis,
    double decodeSequenceMillis,
    double decodeContextMillis,
    long referenceTokens)
    implements StepCost {

  /// Published polynomials for an 8B-class model on one data-centre GPU (see docs/simulator.md).
  static final LatencyModel PUBLISHED =
      new LatencyModel(16.50142, 1.518344e-2, 4.209989e-7, 5.74, 54.01, -25.74, 0, 0, 131_072);

  @Override
  public double stepMillis(Batch batch) {
    long newTokens = 0;
    double attention = 0;
    int decoding = 0;
    long contextTokens = 0;
    for (Batch.Slice s : batch.slices()) {
      if (s.decode()) {
        decoding++;
        contextTokens += s.contextTokens();
      } else {
        newTokens += s.newTokens();
        attention += (double) s.newTokens() * (s.contextTokens() + s.newTokens());
      }
    }
    double millis = 0;
    if (newTokens > 0) {
      millis +=
          prefillBaseMillis + prefillTokenMillis * newTokens + prefillContextMillis * attention;
    }
    if (decoding > 0) {
      double p = Math.min(1, (double) contextTokens / referenceTokens);
      millis +=
          Math.max(
              1,
              decodeBaseMillis
                  + decodeShareMillis * p
                  + decodeShareSquaredMillis * p * p
                  + decodeSequenceMillis * decoding
                  + decodeContextMillis * contextTokens);
    }
    return millis;
  }
}
