package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.http.BodyPeek.Extent;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.policy.Recalled;

/// How many tokens the prompts of one model come to: a fixed number for the template and one a
/// message, and a rate for each kind of byte. Immutable; [#learned] is pure.
/*
 * tokens = o + m * messages + letters * r1 + digits * r2 + marks * r3 + multiByte * r4, estimated
 * as a Kalman filter of a constant state (R. E. Kalman, A New Approach to Linear Filtering and
 * Prediction Problems, 1960, section on the optimal estimate): a prior mean and covariance, and for
 * each answer an update in Joseph's form, which stays positive for any gain. After each update the
 * covariance goes a little way back to the prior, so that nothing is ever learned for good. What a
 * prompt has none of stays as it was.
 *
 * A short prompt says what the template adds and nothing about rates: below SHORT_BYTES the gains
 * of the rates are zero. So any number of short chats moves the estimate of a long prompt by at
 * most what the template's share can move.
 *
 * A prompt that the rates cannot explain (an instance that adds a system prompt of its own) counts
 * as one that is MOST_SURPRISE deviations off.
 */
final class TokenRates {
  private static final int OFFSET = 0;
  private static final int MESSAGES = 1;
  private static final int RATES = 2;
  private static final int N = 6;

  /// First guesses: four letters, two digits or marks, or two and a half bytes beyond ASCII a
  /// token, so that prose is rather over- than underestimated.
  private static final double[] MEAN = {8, 5, 0.25, 0.5, 0.5, 0.4};

  private static final double[] DEVIATION = {10, 5, 0.12, 0.4, 0.5, 0.25};
  private static final double[] LEAST = {0, 0, 0.05, 0.1, 0.1, 0.05};
  private static final double[] MOST = {4096, 64, 1.2, 1.5, 2.5, 1.2};
  private static final int SHORT_BYTES = 512;
  private static final double FORGET = 0.01;
  private static final double MOST_SURPRISE = 4;
  private static final double OUTPUT_STEP = 0.05;
  private static final double MOST_OUTPUT = 4096;

  static final TokenRates FIRST = new TokenRates(MEAN, prior(), 0);

  private final double[] mean;
  private final double[][] covariance;
  private final double output;

  private TokenRates(double[] mean, double[][] covariance, double output) {
    this.mean = mean;
    this.covariance = covariance;
    this.output = output;
  }

  private static double[][] prior() {
    double[][] p = new double[N][N];
    for (int k = 0; k < N; k++) {
      p[k][k] = DEVIATION[k] * DEVIATION[k];
    }
    return p;
  }

  /// Estimated tokens of the prompt's text.
  long tokens(Prompt p) {
    return (long) Math.ceil(dot(mean, features(p)));
  }

  /// At least as many as [#tokens] has for a prompt of this extent, whatever its text is made of.
  long mostTokens(Extent e) {
    double rate = 0;
    for (int k = MESSAGES + 1; k < N; k++) {
      rate = Math.max(rate, mean[k]);
    }
    return (long) Math.ceil(mean[OFFSET] + mean[MESSAGES] * e.messages() + rate * e.bytes()) + 1;
  }

  /// What answers come to on average, at most [#MOST_OUTPUT]; 0 until one has said.
  long outputTokens() {
    return (long) Math.ceil(output);
  }

  private static double[] features(Prompt p) {
    boolean any = p.bytes() > 0;
    return new double[] {
      any ? 1 : 0, p.messages(), p.letters(), p.digits(), p.marks(), p.multiByte()
    };
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < N; k++) {
      sum += a[k] * b[k];
    }
    return sum;
  }

  /// What is known after an answer of `completionTokens`.
  TokenRates answered(long completionTokens) {
    double seen = Math.clamp((double) completionTokens, 0, MOST_OUTPUT);
    return new TokenRates(
        mean, covariance, output == 0 ? seen : output + OUTPUT_STEP * (seen - output));
  }

  /// What is known after a prompt, wholly seen, has come to `tokens`.
  TokenRates learned(Prompt p, long tokens) {
    int known = p.bytes() < SHORT_BYTES ? RATES : N;
    return updated(features(p), tokens, 3 + 0.05 * tokens, OFFSET, known, FORGET);
  }

  /// What is known after a tokenizer has counted the `tokens` of a text alone, without a template:
  /// it says nothing about the template, and how far other texts of its kind are from it is what
  /// the noise stands for.
  TokenRates counted(Prompt text, long tokens) {
    double[] x = features(text);
    x[OFFSET] = 0;
    x[MESSAGES] = 0;
    return updated(x, tokens, 1 + 0.1 * tokens, RATES, N, 0);
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> m = new HashMap<>();
    m.put("mean", mean);
    for (int k = 0; k < N; k++) {
      m.put("covariance" + k, covariance[k]);
    }
    m.put("output", output);
    return m;
  }

  /// What a file says.
  ///
  /// @throws IllegalArgumentException when it is not what [#remembered] gave
  static TokenRates recall(Recalled from) {
    double[] mean = from.numbers("mean", N);
    double[][] covariance = new double[N][];
    for (int k = 0; k < N; k++) {
      mean[k] = Math.clamp(mean[k], LEAST[k], MOST[k]);
      covariance[k] = from.numbers("covariance" + k, N);
      if (covariance[k][k] < 0) {
        throw new IllegalArgumentException(
            "a variance of " + covariance[k][k] + " (expected: 0 or more)");
      }
    }
    return new TokenRates(mean, covariance, Math.clamp(from.number("output"), 0, MOST_OUTPUT));
  }

  /// One update, which moves the numbers of `from` to before `to`.
  private TokenRates updated(
      double[] x, long tokens, double noise, int from, int to, double forget) {
    double[] px = new double[N];
    for (int k = 0; k < N; k++) {
      px[k] = dot(covariance[k], x);
    }
    // a covariance that was read may be none
    double variance = Math.max(0, dot(px, x)) + noise * noise;
    double most = MOST_SURPRISE * Math.sqrt(variance);
    double surprise = Math.clamp(tokens - dot(mean, x), -most, most);
    double[] gain = new double[N];
    double[] next = mean.clone();
    for (int k = from; k < to; k++) {
      gain[k] = px[k] / variance;
      next[k] = Math.clamp(mean[k] + gain[k] * surprise, LEAST[k], MOST[k]);
    }
    double[][] after = new double[N][N];
    for (int r = 0; r < N; r++) {
      for (int c = 0; c < N; c++) {
        // Joseph's form (I - Kx)P(I - Kx)' + K noise K', multiplied out.
        double v =
            covariance[r][c] - gain[r] * px[c] - px[r] * gain[c] + gain[r] * gain[c] * variance;
        double back = r == c ? DEVIATION[r] * DEVIATION[r] : 0;
        after[r][c] = v + forget * (back - v);
      }
    }
    return new TokenRates(next, after, output);
  }
}
