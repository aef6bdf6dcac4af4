package org.infinilm.svc.policy;

/// How far prompts are from what they were estimated at, so that a request goes only where it fits
/// even when it is underestimated. Immutable.
///
/// @param mean of the logarithm of the true length over the estimate
/// @param variance of the same
record Fit(double mean, double variance) {
  static final Fit FIRST = new Fit(0, 0.09);

  private static final double STEP = 0.02;
  private static final double LEAST_DEVIATION = 0.02;
  private static final double DEVIATIONS = 2.8;

  /// Of prompts with the same estimate so many may need more than is reckoned with: what lies above
  /// that many deviations.
  private static final double RARE = 0.0026;

  Fit after(double ratio) {
    double off = Math.clamp(Math.log(ratio), -2, 2) - mean;
    return new Fit(mean + STEP * off, (1 - STEP) * (variance + STEP * off * off));
  }

  /// Tokens that the request hardly exceeds, prompt and answer, by its estimate alone.
  long need(Ask ask, AnswerLengths lengths) {
    double prompt = ask.promptTokens() * Math.exp(mean + DEVIATIONS * Math.sqrt(variance));
    return need(ask, lengths, prompt);
  }

  /// The same by how long such prompts are, too: never more than by the estimate alone.
  long need(Ask ask, AnswerLengths lengths, Sizes sizes) {
    double middle = Math.log((double) ask.promptTokens()) + mean;
    double prompt = sizes.most(middle, Math.max(LEAST_DEVIATION, Math.sqrt(variance)), RARE);
    return Math.min(need(ask, lengths), need(ask, lengths, prompt));
  }

  private static long need(Ask ask, AnswerLengths lengths, double prompt) {
    double answer = ask.maxTokens() > 0 ? ask.maxTokens() : lengths.most();
    return (long) Math.ceil(Math.max(prompt + answer, (double) ask.needTokens()));
  }
}
