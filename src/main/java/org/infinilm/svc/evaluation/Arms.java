package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.infinilm.svc.policy.Objective;
import org.infinilm.svc.policy.Part;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;

/// The arms by name.
final class Arms {
  /// The sweep of the best fixed cut, in bytes; 0 sends all to static, the last all to paged.
  static final List<Long> CUTS =
      List.of(0L, 2_000L, 4_000L, 8_000L, 16_000L, 32_000L, 51_200L, 100_000L, 1_000_000_000L);

  private static final String LEARNED = "adaptive";

  static final String BEST_CUT = "best-cut";

  /// Ablations: `adaptive` without one of its parts, and without the router's seats and line.
  static final String WITHOUT = "adaptive-no-";

  static final String UNSEATED = WITHOUT + "queue";

  private Arms() {}

  private static Objective objective(FleetPlan plan) {
    return new Objective(plan.ttftNanos(), plan.tpotNanos());
  }

  private static Arm learned(String name, Function<FleetPlan, Policy> policy, boolean seated) {
    return new Arm(name, policy, seated, Policies.staticSeats(LEARNED), -1);
  }

  static List<String> names() {
    List<String> out =
        new ArrayList<>(
            List.of("random", "fixed", BEST_CUT, "lmetric", "dynamo", "least-wait", "oracle"));
    out.addAll(Policies.names());
    for (Part p : Part.values()) {
      out.add(WITHOUT + p.label());
    }
    out.add(UNSEATED);
    return out;
  }

  /// @throws IllegalArgumentException when there is none of that name
  static Arm of(String name) {
    return switch (name) {
      case "random" -> new Arm(name, plan -> new Rivals.Lot(), true, -1);
      case "fixed" -> new Arm(name, plan -> new Rivals.Fixed(), false, -1);
      case "lmetric" -> new Arm(name, plan -> new Rivals.LMetric(), true, -1);
      case "dynamo" -> new Arm(name, plan -> new Rivals.Dynamo(), true, -1);
      case "least-wait" -> new Arm(name, plan -> new Rivals.LeastWait(), true, -1);
      case LEARNED -> learned(name, plan -> Policies.adaptive(objective(plan)), true);
      case UNSEATED -> learned(name, plan -> Policies.adaptive(objective(plan)), false);
      case "oracle" -> new Arm(name, plan -> new Oracle(), false, -1);
      default -> {
        for (Part p : Part.values()) {
          if (name.equals(WITHOUT + p.label())) {
            yield learned(name, plan -> Policies.adaptiveWithout(objective(plan), p), true);
          }
        }
        if (!Policies.names().contains(name)) {
          throw new IllegalArgumentException(
              "policies: " + name + " (expected: some of " + String.join(", ", names()) + ")");
        }
        yield new Arm(name, plan -> Policies.create(name), true, -1);
      }
    };
  }

  /// The size rule with the guard at another cut.
  static Arm cut(long bytes) {
    return new Arm("cut " + bytes, plan -> Policies.create("cache-type"), true, bytes);
  }
}
