package org.infinilm.svc.policy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How long answers are, by the length of the prompt: a histogram with forgetting, from which the
/// tokens that are still to come follow, given those that came (mean residual life). Immutable.
final class AnswerLengths {
  private static final int BUCKETS = 40;
  private static final double GROWTH = Math.log(1.35);
  private static final double FORGET = 0.997;
  private static final int CLASSES = 4;
  private static final double ENOUGH = 20;
  private static final double RARE = 0.003;
  private static final double FIRST_GUESS = 256;

  /// Into how many equally likely parts what is left is split.
  static final int PARTS = 5;

  /// Logarithms of what is asked for most.
  private static final byte[] BUCKET_OF = buckets();

  static final AnswerLengths NONE =
      new AnswerLengths(
          new double[CLASSES + 1][BUCKETS], new double[CLASSES + 1][], new double[CLASSES + 1][]);

  private final double[][] counts;
  private final double[] @Nullable [] left;
  private final double[] @Nullable [] parts;

  private AnswerLengths(
      double[][] counts, double[] @Nullable [] left, double[] @Nullable [] parts) {
    this.counts = counts;
    this.left = left;
    this.parts = parts;
  }

  private static int bucket(long tokens) {
    return tokens < BUCKET_OF.length
        ? BUCKET_OF[(int) Math.max(0, tokens)]
        : bucketOf((double) tokens);
  }

  private static byte[] buckets() {
    byte[] of = new byte[4096];
    for (int tokens = 0; tokens < of.length; tokens++) {
      of[tokens] = (byte) bucketOf(tokens);
    }
    return of;
  }

  private static int bucketOf(double tokens) {
    return (int) Math.clamp(Math.log(Math.max(1, tokens)) / GROWTH, 0, BUCKETS - 1.0);
  }

  private static int classOf(long promptTokens) {
    return promptTokens < 512 ? 0 : promptTokens < 2048 ? 1 : promptTokens < 8192 ? 2 : 3;
  }

  /// Tokens still to come of an answer of which so many came, at least 1 and at most what the
  /// client allows (0: any number).
  double left(long promptTokens, long came, long maxTokens) {
    double[] of = left[classOf(promptTokens)];
    of = of == null ? left[CLASSES] : of;
    double l = of == null ? Math.max(FIRST_GUESS - came, came / 2.0) : of[bucket(came)];
    if (maxTokens > 0) {
      l = Math.min(l, (double) (maxTokens - came));
    }
    return Math.max(1, l);
  }

  /// The middle of the `k`th of [#PARTS] parts of what may still come.
  double left(int k, long promptTokens, long came, long maxTokens) {
    return left(k, stage(came), promptTokens, came, maxTokens);
  }

  /// How far an answer is of which so many tokens came, for [#left].
  static int stage(long came) {
    return bucket(came);
  }

  /// The same for a stage that was asked for before.
  double left(int k, int stage, long promptTokens, long came, long maxTokens) {
    double[] of = parts[classOf(promptTokens)];
    of = of == null ? parts[CLASSES] : of;
    if (of == null) {
      return left(promptTokens, came, maxTokens);
    }
    double l = of[stage * PARTS + k];
    if (maxTokens > 0) {
      l = Math.min(l, (double) (maxTokens - came));
    }
    return Math.max(1, l);
  }

  /// Tokens that hardly an answer exceeds, twice the longest seen while few are known.
  double most() {
    double[] of = counts[CLASSES];
    double sum = 0;
    for (double c : of) {
      sum += c;
    }
    double above = 0;
    for (int b = BUCKETS - 1; b >= 0; b--) {
      above += of[b];
      if (above > RARE * sum) {
        return Math.exp((b + 1) * GROWTH) * (sum < ENOUGH ? 2 : 1);
      }
    }
    return 4 * FIRST_GUESS;
  }

  AnswerLengths after(long promptTokens, long tokens) {
    double[][] c = counts.clone();
    double[] @Nullable [] l = left.clone();
    double[] @Nullable [] p = parts.clone();
    for (int k : new int[] {classOf(promptTokens), CLASSES}) {
      double[] of = c[k].clone();
      double sum = 0;
      for (int b = 0; b < BUCKETS; b++) {
        of[b] *= FORGET;
        sum += of[b];
      }
      of[bucket(tokens)] += 1;
      c[k] = of;
      l[k] = sum + 1 < ENOUGH ? null : residuals(of);
      p[k] = sum + 1 < ENOUGH ? null : quantiles(of);
    }
    return new AnswerLengths(c, l, p);
  }

  /// What several have seen together.
  ///
  /// @param weights of the others, above 0 and up to 1
  AnswerLengths with(List<AnswerLengths> others, List<Double> weights) {
    double[][] c = new double[CLASSES + 1][];
    for (int k = 0; k <= CLASSES; k++) {
      c[k] = counts[k].clone();
      for (int o = 0; o < others.size(); o++) {
        for (int b = 0; b < BUCKETS; b++) {
          // forgetting bounds what one can have seen
          c[k][b] += weights.get(o) * Math.min(others.get(o).counts[k][b], 1 / (1 - FORGET));
        }
      }
    }
    return of(c);
  }

  private static AnswerLengths of(double[][] c) {
    double[] @Nullable [] l = new double[CLASSES + 1][];
    double[] @Nullable [] p = new double[CLASSES + 1][];
    for (int k = 0; k <= CLASSES; k++) {
      double sum = 0;
      for (int b = 0; b < BUCKETS; b++) {
        sum += c[k][b];
      }
      l[k] = sum < ENOUGH ? null : residuals(c[k]);
      p[k] = sum < ENOUGH ? null : quantiles(c[k]);
    }
    return new AnswerLengths(c, l, p);
  }

  private static double[] residuals(double[] counts) {
    double[] out = new double[BUCKETS];
    double n = 0;
    double tokens = 0;
    for (int b = BUCKETS - 1; b >= 0; b--) {
      double low = Math.exp(b * GROWTH);
      double middle = low * (1 + Math.expm1(GROWTH) / 2);
      double came = middle;
      // of those that end within the bucket half are past its middle
      n += counts[b];
      tokens += counts[b] * middle;
      double longer = n - counts[b] / 2;
      out[b] =
          longer < 0.5
              ? Math.max(1, came / 4)
              : Math.max(1, (tokens - counts[b] / 2 * middle) / longer - came);
      out[b] = Math.max(out[b], 0.15 * (Math.expm1(GROWTH) * low));
    }
    return out;
  }

  private static double[] quantiles(double[] counts) {
    double[] out = new double[BUCKETS * PARTS];
    for (int from = 0; from < BUCKETS; from++) {
      double came = Math.exp(from * GROWTH) * (1 + Math.expm1(GROWTH) / 2);
      double sum = -counts[from] / 2;
      for (int b = from; b < BUCKETS; b++) {
        sum += counts[b];
      }
      double seen = -counts[from] / 2;
      int k = 0;
      for (int b = from; b < BUCKETS && k < PARTS; b++) {
        seen += counts[b];
        while (k < PARTS && (seen >= (k + 0.5) / PARTS * sum || b == BUCKETS - 1)) {
          double there = Math.exp(b * GROWTH) * (1 + Math.expm1(GROWTH) / 2);
          double least = 0.15 * Math.expm1(GROWTH) * Math.exp(from * GROWTH);
          double l = sum < 0.5 ? came / 4 : there - came;
          out[from * PARTS + k++] = Math.max(1, Math.max(least, l));
        }
      }
    }
    return out;
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> m = new HashMap<>();
    for (int k = 0; k <= CLASSES; k++) {
      m.put("class" + k, counts[k]);
    }
    return m;
  }

  /// What a file says.
  static AnswerLengths recall(Recalled from) {
    double[][] c = new double[CLASSES + 1][];
    for (int k = 0; k <= CLASSES; k++) {
      double[] of = from.numbers("class" + k, BUCKETS);
      for (int b = 0; b < BUCKETS; b++) {
        of[b] = Math.max(0, of[b]);
      }
      c[k] = of;
    }
    return of(c);
  }
}
