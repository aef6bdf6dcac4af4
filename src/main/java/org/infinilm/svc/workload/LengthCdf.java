package org.infinilm.svc.workload;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;

/// How long requests are: the share of requests of at most so many tokens, prompt and answer
/// together. Immutable.
///
/// @param tokens upper bounds, rising
/// @param shares cumulative, rising to 1
record LengthCdf(List<Long> tokens, List<Double> shares) {
  private static final String HEADER = "total_tokens,cumulative_share";

  /// The mixes that are built in, by name.
  static final Map<String, String> BUILT_IN =
      Map.of("azure", "azure_cdf.csv", "agent-heavy", "agent_heavy_cdf.csv");

  LengthCdf {
    tokens = List.copyOf(tokens);
    shares = List.copyOf(shares);
  }

  /// A draw: `u` of 0..1 chooses the step, and the place inside it.
  long draw(double u) {
    int k = 0;
    while (k < shares.size() - 1 && shares.get(k) <= u) {
      k++;
    }
    double belowShare = k == 0 ? 0 : shares.get(k - 1);
    long below = k == 0 ? 0 : tokens.get(k - 1);
    double inside = (u - belowShare) / Math.max(1e-12, shares.get(k) - belowShare);
    return Math.clamp(
        Math.round(below + inside * (tokens.get(k) - below)), below + 1, tokens.get(k));
  }

  static LengthCdf builtIn(String name) {
    String file = BUILT_IN.getOrDefault(name, "");
    try (InputStream in = LengthCdf.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new IllegalStateException(file + " is missing in the program");
      }
      return parse(Path.of(file), in.readAllBytes());
    } catch (IOException | ConfigException e) {
      throw new IllegalStateException(file, e);
    }
  }

  static LengthCdf parse(Path file, byte[] csv) throws ConfigException {
    List<Long> tokens = new ArrayList<>();
    List<Double> shares = new ArrayList<>();
    List<String> lines = new String(csv, StandardCharsets.UTF_8).lines().toList();
    for (int k = 0; k < lines.size(); k++) {
      String line = lines.get(k).strip();
      if (line.isEmpty() || (k == 0 && line.equals(HEADER))) {
        continue;
      }
      String[] cells = line.split(",");
      try {
        long t = Long.parseLong(cells[0].strip());
        double s = Double.parseDouble(cells[1].strip());
        boolean rises = tokens.isEmpty() ? t > 0 : t > tokens.getLast() && s >= shares.getLast();
        if (cells.length != 2 || !rises || !(s >= 0 && s <= 1 + 1e-6)) {
          throw new NumberFormatException();
        }
        tokens.add(t);
        shares.add(Math.min(1, s));
      } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
        throw new ConfigException(
            file
                + ":"
                + (k + 1)
                + ": "
                + (line.length() > 60 ? line.substring(0, 60) + "..." : line)
                + " (expected: "
                + HEADER
                + ", both rising, shares 0..1)");
      }
    }
    if (tokens.isEmpty() || shares.getLast() < 0.98) {
      throw new ConfigException(
          file + ": shares end at " + (shares.isEmpty() ? 0 : shares.getLast()) + " (expected: 1)");
    }
    shares.set(shares.size() - 1, 1.0);
    return new LengthCdf(tokens, shares);
  }
}
