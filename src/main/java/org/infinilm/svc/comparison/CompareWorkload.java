package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.infinilm.svc.results.ResultFile;

/// Whether two runs had the same load: the same prompts, rate, concurrency and number, and the same
/// asked of them. Pure.
final class CompareWorkload {
  private static final List<String> LOAD =
      List.of(
          "num_prompts",
          "request_rate",
          "max_concurrency",
          "burstiness",
          "arrival",
          "ramp_up_s",
          "think_time_s",
          "model_id",
          "endpoint",
          "stream",
          "ignore_eos",
          "temperature",
          "extra_body");

  /// How far prompts of one generator may be apart on average when the files do not say how they
  /// were drawn.
  private static final double MOST_APART = 0.1;

  private static final Pattern HASH = Pattern.compile("[0-9a-f]{64}");

  private CompareWorkload() {}

  /// What differs, as `request_rate is 2 here and 1 there`; empty when nothing is known to differ.
  static List<String> differences(ResultFile a, ResultFile b) {
    List<String> out = new ArrayList<>();
    difference(out, a, b, "sha256", "sha256 of the prompts");
    difference(out, a, b, "generator", "how prompts are drawn");
    if (out.isEmpty()) {
      difference(out, a, b, "requests_sha256", "sha256 of what is asked");
    }
    for (String key : LOAD) {
      difference(out, a, b, key, key);
    }
    boolean samePrompts = a.workload().containsKey("sha256") && b.workload().containsKey("sha256");
    if (!samePrompts && answeredAll(a) && answeredAll(b)) {
      difference(out, a, b, "total_input_tokens", "total_input_tokens");
    } else if (!samePrompts && !near(promptTokens(a), promptTokens(b))) {
      out.add(
          String.format(
              Locale.ROOT,
              "the mean of the prompts' tokens is %.0f and %.0f",
              promptTokens(a),
              promptTokens(b)));
    }
    return out;
  }

  /// The same, but generated prompts may have been drawn anew with another seed.
  static List<String> differencesButDraw(ResultFile a, ResultFile b) {
    return drawnAnew(a, b)
        ? LOAD.stream()
            .flatMap(key -> {
              List<String> one = new ArrayList<>();
              difference(one, a, b, key, key);
              return one.stream();
            })
            .toList()
        : differences(a, b);
  }

  /// Whether both say how their prompts were drawn, or at least by what, and it was the same.
  private static boolean drawnAnew(ResultFile a, ResultFile b) {
    Map<String, String> x = a.workload();
    Map<String, String> y = b.workload();
    if (Objects.equals(x.get("seed"), y.get("seed"))) {
      return false;
    }
    String one = x.getOrDefault("generator", "none");
    String two = y.getOrDefault("generator", "none");
    if (!one.equals("none") && !two.equals("none")) {
      return one.equals(two);
    }
    return x.containsKey("generated")
        && Objects.equals(x.get("generated"), y.get("generated"))
        && near(promptTokens(a), promptTokens(b));
  }

  /// Mean over the requests that were answered; NaN when the file does not say.
  private static double promptTokens(ResultFile f) {
    String all = f.workload().get("total_input_tokens");
    return all == null || f.completed() == 0 ? Double.NaN : Double.parseDouble(all) / f.completed();
  }

  /// Whether two means are within a tenth of the larger, or one is not known.
  static boolean near(double a, double b) {
    return Double.isNaN(a) || Double.isNaN(b) || Math.abs(a - b) <= MOST_APART * Math.max(a, b);
  }

  /// Whether both files say enough to know that they are alike.
  static boolean known(ResultFile a, ResultFile b) {
    return a.workload().containsKey("sha256") && b.workload().containsKey("sha256");
  }

  /// Known to be alike, or at least nothing known against it.
  static boolean same(ResultFile a, ResultFile b) {
    return differences(a, b).isEmpty();
  }

  private static boolean answeredAll(ResultFile f) {
    return f.complete() && f.failed() == 0;
  }

  private static void difference(
      List<String> out, ResultFile a, ResultFile b, String key, String label) {
    String x = a.workload().get(key);
    String y = b.workload().get(key);
    if (x != null && y != null && !Objects.equals(x, y)) {
      out.add(label + " is " + shorten(x) + " and " + shorten(y));
    }
  }

  private static String shorten(String v) {
    return HASH.matcher(v).matches()
        ? v.substring(0, 12) + "..."
        : v.length() > 160 ? v.substring(0, 160) + "..." : v;
  }
}
