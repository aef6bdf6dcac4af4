package org.infinilm.svc.evaluation;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// How long requests are: cumulative shares by total tokens, from a public fleet simulator's data.
/// Immutable.
final class Lengths {
  /// Chats: up to 16,384 tokens.
  static final Lengths AZURE = read("azure_cdf.csv");

  /// Agents: up to 65,536 tokens.
  static final Lengths AGENTS = read("agent_heavy_cdf.csv");

  private final List<double[]> steps;

  private Lengths(List<double[]> steps) {
    this.steps = steps;
  }

  private static Lengths read(String file) {
    try (InputStream in = Lengths.class.getResourceAsStream("/org/infinilm/svc/workload/" + file)) {
      if (in == null) {
        throw new IllegalStateException(file + " is missing in the program");
      }
      List<double[]> steps = new ArrayList<>();
      steps.add(new double[] {0, 0});
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        if (!line.isBlank() && Character.isDigit(line.charAt(0))) {
          String[] c = line.split(",");
          steps.add(new double[] {Double.parseDouble(c[0]), Double.parseDouble(c[1])});
        }
      }
      return new Lengths(List.copyOf(steps));
    } catch (IOException e) {
      throw new IllegalStateException(file, e);
    }
  }

  /// The length at a cumulative share of 0..1, straight between the steps.
  int at(double share) {
    int k = 1;
    while (k < steps.size() - 1 && steps.get(k)[1] < share) {
      k++;
    }
    double[] a = steps.get(k - 1);
    double[] b = steps.get(k);
    double within = Math.clamp((share - a[1]) / (b[1] - a[1]), 0.0, 1.0);
    return (int) Math.max(2, Math.round(a[0] + within * (b[0] - a[0])));
  }
}
