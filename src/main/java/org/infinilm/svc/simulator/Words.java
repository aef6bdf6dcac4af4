package org.infinilm.svc.simulator;

import java.util.List;

/// The text of an answer, one word a token: it names the instance and the model, then fills up with
/// words that depend on seed and prompt only.
final class Words {
  private static final List<String> FILLER =
      List.of(
          "the", "river", "carries", "small", "boats", "past", "quiet", "fields", "while", "a",
          "clock", "counts", "steps", "and", "every", "answer", "waits", "for", "its", "turn",
          "under", "green", "hills", "where", "paper", "birds", "learn", "to", "fold", "light");

  private final List<String> greeting;
  private final long seed;

  Words(String instance, String model, long seed) {
    this.greeting = List.of("Hello", "from", instance, "(model:", model + ")");
    this.seed = seed;
  }

  /// The `n`th token, with the space that parts it from the one before.
  String piece(int n) {
    String word =
        n < greeting.size()
            ? greeting.get(n)
            : FILLER.get((int) Long.remainderUnsigned(Seeds.at(seed, n), FILLER.size()));
    return n == 0 ? word : " " + word;
  }
}
