package org.infinilm.svc.policy;

/// How far prompts are from what they were estimated at, so that a request goes only where it fits
/// even when it is underestimated. Immutable.
///
/// @param mean of the logarithm of the true length over the estimate
/// @param variance of the same
record Fit(double mean, double variance) {
  static final Fit FIRST = new Fit(0, 0.09);

  private static final double STEP = 0.02;
  private static final double DEVIATIONS = 2.8;

  Fit after(double ratio) {
    double off = Math.clamp(Math.log(ratio), -2, 2) - mean;
    return new Fit(mean + STEP * off, (1 - STEP) * (variance + STEP * off * off));
  }

  /// Tokens that the request hardly exceeds, prompt and answer.
  long need(Ask ask, AnswerLengths lengths) {
    double prompt = ask.promptTokens() * Math.exp(mean + DEVIATIONS * Math.sqrt(variance));
    double answer = ask.maxTokens() > 0 ? ask.maxTokens() : lengths.most();
    return (long) Math.ceil(Math.max(prompt + answer, (double) ask.needTokens()));
  }
}
