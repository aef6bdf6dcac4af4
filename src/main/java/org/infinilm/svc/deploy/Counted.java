package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/// The instances' own request counters before and after something was sent. Pure.
record Counted(Map<String, OptionalDouble> before, Map<String, OptionalDouble> after) {

  /// By how much an instance's counter moved; empty when it was not readable both times. A counter
  /// that went down was restarted from 0.
  OptionalDouble moved(String instance) {
    OptionalDouble from = before.getOrDefault(instance, OptionalDouble.empty());
    OptionalDouble to = after.getOrDefault(instance, OptionalDouble.empty());
    if (from.isEmpty() || to.isEmpty()) {
      return OptionalDouble.empty();
    }
    double by = to.getAsDouble() - from.getAsDouble();
    return OptionalDouble.of(by < 0 ? to.getAsDouble() : by);
  }

  /// What contradicts the claim that each instance finished at least so many requests; empty when
  /// nothing does.
  List<String> disagree(Map<String, Integer> claimed) {
    List<String> out = new ArrayList<>();
    claimed.forEach((instance, n) -> {
      OptionalDouble by = moved(instance);
      if (by.isPresent() && by.getAsDouble() < n) {
        out.add(
            "the counter of "
                + instance
                + " moved by "
                + (long) by.getAsDouble()
                + " (expected: "
                + n
                + ")");
      }
    });
    return out;
  }

  /// One or two words on the counters for a claim that they do not contradict.
  String agreement(Map<String, Integer> claimed) {
    if (claimed.keySet().stream().anyMatch(i -> moved(i).isEmpty())) {
      return "not checked by counters";
    }
    boolean others =
        after.keySet().stream().anyMatch(i -> moved(i).orElse(0) > claimed.getOrDefault(i, 0));
    return others ? "counters agree, beside other traffic" : "counters agree";
  }
}
