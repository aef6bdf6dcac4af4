package org.infinilm.svc.evaluation;

import java.util.Arrays;
import java.util.List;

/// What routers before one fleet know of each other, each level with what is before it.
enum Sharing {
  /// Nothing: each has all seats.
  NONE("none"),
  /// How many they are: each has its part of the seats.
  NUMBER("number"),
  /// What instances publish each second, where they do (InfiniLM's do not): a part of the seats
  /// that are free, and what others have there, for policies that look at it.
  GAUGES("gauges"),
  /// What the others publish each second, their requests in flight by instance, in place of gauges.
  SIBLINGS("siblings"),
  /// The same, and policies that count requests count those of the others too.
  COUNTED("counted");

  private final String label;

  Sharing(String label) {
    this.label = label;
  }

  String label() {
    return label;
  }

  boolean atLeast(Sharing s) {
    return compareTo(s) >= 0;
  }

  static List<String> labels() {
    return Arrays.stream(values()).map(Sharing::label).toList();
  }

  static Sharing parse(String word) {
    for (Sharing s : values()) {
      if (s.label.equals(word)) {
        return s;
      }
    }
    throw new IllegalArgumentException(
        "sharing: " + word + " (expected: one of " + String.join(", ", labels()) + ")");
  }
}
