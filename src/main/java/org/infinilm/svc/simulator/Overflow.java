package org.infinilm.svc.simulator;

/// What an engine does with a request that does not fit its cache.
enum Overflow {
  /// Refuses it, as vLLM does.
  ERROR,
  /// Answers what fits with finish reason `length`, as InfiniLM does.
  TRUNCATE,
  /// Keeps it and never answers, as a paged InfiniLM does.
  HANG;

  static Overflow parse(String word) {
    for (Overflow o : values()) {
      if (o.name().equalsIgnoreCase(word)) {
        return o;
      }
    }
    throw new IllegalArgumentException(
        "overflow: " + word + " (expected: one of error, truncate, hang)");
  }
}
