package org.infinilm.svc.engine;

import java.util.List;

/// How a request wants its tokens chosen and where it ends.
///
/// @param topK tokens to choose from; 0 or less: all
/// @param topP share of the probability to choose from, 0..1
/// @param minP least probability, relative to the likeliest token
/// @param stops texts that end the answer and are not part of it
/// @param ignoreEnd whether the model's end tokens are never chosen
record Sampling(
    double temperature,
    int topK,
    double topP,
    double minP,
    long seed,
    List<String> stops,
    boolean ignoreEnd) {
  Sampling {
    stops = List.copyOf(stops);
  }

  boolean greedy() {
    return temperature == 0 || topK == 1;
  }
}
