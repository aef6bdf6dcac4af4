package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.results.ResultFile;

/// Whether two runs had the same load: the same prompts, rate, concurrency and number. Pure.
final class CompareWorkload {
  private static final List<String> LOAD =
      List.of(
          "num_prompts", "request_rate", "max_concurrency", "burstiness", "ramp_up_s", "model_id");

  private CompareWorkload() {}

  /// What differs, as `request_rate is 2 here and 1 there`; empty when nothing is known to differ.
  static List<String> differences(ResultFile a, ResultFile b) {
    List<String> out = new ArrayList<>();
    difference(out, a, b, "sha256", "sha256 of the prompts");
    for (String key : LOAD) {
      difference(out, a, b, key, key);
    }
    boolean samePrompts = a.workload().containsKey("sha256") && b.workload().containsKey("sha256");
    if (!samePrompts && answeredAll(a) && answeredAll(b)) {
      difference(out, a, b, "total_input_tokens", "total_input_tokens");
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

  private static boolean drawnAnew(ResultFile a, ResultFile b) {
    Map<String, String> x = a.workload();
    Map<String, String> y = b.workload();
    return x.containsKey("generated")
        && Objects.equals(x.get("generated"), y.get("generated"))
        && !Objects.equals(x.get("seed"), y.get("seed"));
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
    return v.length() > 60 ? v.substring(0, 12) + "..." : v;
  }
}
