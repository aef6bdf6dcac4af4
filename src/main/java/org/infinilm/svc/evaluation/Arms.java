package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.policy.Policies;

/// The arms by name.
final class Arms {
  /// The sweep of the best fixed cut, in bytes; 0 sends all to static, the last all to paged.
  static final List<Long> CUTS =
      List.of(0L, 2_000L, 4_000L, 8_000L, 16_000L, 32_000L, 51_200L, 100_000L, 1_000_000_000L);

  static final String BEST_CUT = "best-cut";

  private Arms() {}

  static List<String> names() {
    List<String> out =
        new ArrayList<>(
            List.of("random", "fixed", BEST_CUT, "lmetric", "dynamo", "least-wait", "oracle"));
    out.addAll(Policies.names());
    return out;
  }

  /// @throws IllegalArgumentException when there is none of that name
  static Arm of(String name) {
    return switch (name) {
      case "random" -> new Arm(name, Rivals.Lot::new, true, -1);
      case "fixed" -> new Arm(name, Rivals.Fixed::new, false, -1);
      case "lmetric" -> new Arm(name, Rivals.LMetric::new, true, -1);
      case "dynamo" -> new Arm(name, Rivals.Dynamo::new, true, -1);
      case "least-wait" -> new Arm(name, Rivals.LeastWait::new, true, -1);
      case "oracle" -> new Arm(name, Oracle::new, false, -1);
      default -> {
        if (!Policies.names().contains(name)) {
          throw new IllegalArgumentException(
              "policies: " + name + " (expected: some of " + String.join(", ", names()) + ")");
        }
        yield new Arm(name, () -> Policies.create(name), true, -1);
      }
    };
  }

  /// The size rule with the guard at another cut.
  static Arm cut(long bytes) {
    return new Arm("cut " + bytes, () -> Policies.create("cache-type"), true, bytes);
  }
}
