package org.infinilm.svc.simulator;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.CacheType;

/// What the steps of one model on one GPU cost, fitted to a measured table; in nanoseconds.
/// Immutable; thread-safe.
/*
 * decode = base + a x longest context + b x total context + c x sequences, and prefill =
 * max(floor, base + a n + b sum(new^2) + c sum(new x past)), each by least squares of the relative
 * error. A paged engine's numbers are fitted to all rows. A static one computes one sequence at a time:
 * its decode is fitted to the rows of one sequence alone. A step with prompt tokens and decoding
 * sequences (chunked prefill) was not measured: it costs its prefill part, at least what the decode
 * step would, plus what the decoding sequences add to the cheapest decode step.
 */
public final class CostProfile implements StepCost {
  /// Models whose tables are built in.
  public static final List<String> NAMES = List.of("9b", "8b", "32b");

  private static final Map<String, CostProfile> KNOWN = new ConcurrentHashMap<>();

  /// A measured row.
  record Row(
      boolean decode, int newTokens, int pastTokens, int sequences, int context, double ms) {}

  private final double decodeBase;
  private final double decodeLongest;
  private final double decodeTotal;
  private final double decodeSequence;
  private final double prefillFloor;
  private final double[] prefill;

  private CostProfile(double[] decode, double floor, double[] prefill) {
    this.decodeBase = decode[0];
    this.decodeLongest = decode[1];
    this.decodeTotal = decode[2];
    this.decodeSequence = decode[3];
    this.prefillFloor = floor;
    this.prefill = prefill;
  }

  /// The profile of a built-in table.
  ///
  /// @throws IllegalArgumentException when there is none of that name
  public static CostProfile of(String name, CacheType type) {
    if (!NAMES.contains(name)) {
      throw new IllegalArgumentException(
          "profile: " + name + " (expected: one of " + String.join(", ", NAMES) + ")");
    }
    return KNOWN.computeIfAbsent(name + " " + type.label(), k -> fitted(table(name), type));
  }

  static List<Row> table(String name) {
    String file = "step_cost_" + name + ".csv";
    try (InputStream in = CostProfile.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new IllegalStateException(file + " is missing in the program");
      }
      List<Row> rows = new ArrayList<>();
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        String[] c = line.split(",");
        if (c[0].equals("prefill") || c[0].equals("decode")) {
          rows.add(
              new Row(
                  c[0].equals("decode"),
                  Integer.parseInt(c[1]),
                  Integer.parseInt(c[2]),
                  Integer.parseInt(c[3]),
                  Integer.parseInt(c[4]),
                  Double.parseDouble(c[5])));
        }
      }
      return rows;
    } catch (IOException e) {
      throw new IllegalStateException(file, e);
    }
  }

  private static CostProfile fitted(List<Row> rows, CacheType type) {
    List<double[]> decodes = new ArrayList<>();
    List<double[]> prefills = new ArrayList<>();
    double floor = 0;
    int shortest = 0;
    for (Row r : rows) {
      double ns = r.ms() * 1e6;
      if (!r.decode()) {
        double n = r.newTokens();
        if (r.newTokens() <= 128) {
          floor += ns;
          shortest++;
        }
        if (r.newTokens() >= 1024 || r.pastTokens() > 0) {
          prefills.add(new double[] {1, n, n * n, n * r.pastTokens(), ns});
        }
      } else if (type == CacheType.PAGED) {
        double total = (double) r.sequences() * r.context();
        decodes.add(new double[] {1, r.context(), total, r.sequences(), ns});
      } else if (r.sequences() == 1) {
        decodes.add(new double[] {1, r.context(), ns});
      }
    }
    return new CostProfile(
        Arrays.copyOf(leastSquares(decodes), 4), floor / shortest, leastSquares(prefills));
  }

  /// Coefficients that make the squares of relative errors least; a row's last number is what its
  /// others should come to. Normal equations, scaled, by Gauss's elimination.
  private static double[] leastSquares(List<double[]> rows) {
    int n = rows.getFirst().length - 1;
    double[] scale = new double[n];
    for (double[] r : rows) {
      for (int k = 0; k < n; k++) {
        scale[k] = Math.max(scale[k], Math.abs(r[k] / r[n]));
      }
    }
    double[][] m = new double[n][n + 1];
    for (double[] r : rows) {
      for (int i = 0; i < n; i++) {
        double x = r[i] / r[n] / scale[i];
        for (int j = 0; j < n; j++) {
          m[i][j] += x * r[j] / r[n] / scale[j];
        }
        m[i][n] += x;
      }
    }
    for (int p = 0; p < n; p++) {
      int best = p;
      for (int i = p + 1; i < n; i++) {
        best = Math.abs(m[i][p]) > Math.abs(m[best][p]) ? i : best;
      }
      double[] row = m[best];
      m[best] = m[p];
      m[p] = row;
      for (int i = 0; i < n; i++) {
        if (i != p) {
          double f = m[i][p] / m[p][p];
          for (int j = p; j <= n; j++) {
            m[i][j] -= f * m[p][j];
          }
        }
      }
    }
    double[] out = new double[n];
    for (int k = 0; k < n; k++) {
      out[k] = m[k][n] / m[k][k] / scale[k];
    }
    return out;
  }

  /// A decode step of `sequences` whose contexts are `total` tokens together, the longest
  /// `longest`.
  public double decodeNanos(int sequences, double total, double longest) {
    return decodeBase + decodeLongest * longest + decodeTotal * total + decodeSequence * sequences;
  }

  /// What a decode step of `sequences` costs more than the one before it, each context being a
  /// token longer.
  double decodeGrowthNanos(int sequences) {
    return decodeLongest + decodeTotal * sequences;
  }

  /// A step that computes `tokens` of one prompt, `past` of which are in the cache already.
  public double prefillNanos(double tokens, double past) {
    return prefillNanos(tokens, tokens * tokens, tokens * past);
  }

  /// The same for several prompts.
  ///
  /// @param tokens new ones together
  /// @param squares of each one's new tokens, together
  /// @param products of each one's new tokens and those before, together
  double prefillNanos(double tokens, double squares, double products) {
    return Math.max(
        prefillFloor,
        prefill[0] + prefill[1] * tokens + prefill[2] * squares + prefill[3] * products);
  }

  /// A step of prompt tokens and decoding sequences together; see above.
  double mixedNanos(
      double tokens, double squares, double products, int sequences, double total, double longest) {
    double decode = sequences == 0 ? 0 : decodeNanos(sequences, total, longest);
    if (tokens == 0) {
      return decode;
    }
    double more = sequences == 0 ? 0 : decode - decodeBase;
    return Math.max(decode, prefillNanos(tokens, squares, products) + more);
  }

  @Override
  public double stepMillis(Batch batch) {
    double tokens = 0;
    double squares = 0;
    double products = 0;
    int sequences = 0;
    double total = 0;
    double longest = 0;
    for (Batch.Slice s : batch.slices()) {
      if (s.decode()) {
        sequences++;
        total += s.contextTokens();
        longest = Math.max(longest, s.contextTokens());
      } else {
        tokens += s.newTokens();
        squares += (double) s.newTokens() * s.newTokens();
        products += (double) s.newTokens() * s.contextTokens();
      }
    }
    return mixedNanos(tokens, squares, products, sequences, total, longest) / 1e6;
  }
}
