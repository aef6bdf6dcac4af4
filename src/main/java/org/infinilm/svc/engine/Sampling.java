package org.infinilm.svc.engine;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How a request wants its tokens chosen and where it ends.
///
/// @param topK tokens to choose from; 0 or less: all
/// @param topP share of the probability to choose from, 0..1
/// @param minP least probability, relative to the likeliest token
/// @param stops texts that end the answer and are not part of it
/// @param ignoreEnd whether the model's end tokens are never chosen
/// @param minTokens the end tokens are not chosen before so many tokens
/// @param logprobs how many alternatives to report beside each token; negative: no report at all
/// @param grammar the form that the answer must have, in llama.cpp's GBNF, or null
record Sampling(
    double temperature,
    int topK,
    double topP,
    double minP,
    long seed,
    List<String> stops,
    boolean ignoreEnd,
    int minTokens,
    Penalties penalties,
    int logprobs,
    @Nullable String grammar) {
  /// What is added to logits before a token is chosen.
  ///
  /// @param presence taken from the logit of each token that the answer has already
  /// @param frequency taken from it once for each time
  /// @param repetition logits of tokens in prompt or answer: divided by it when positive, else
  ///   multiplied with it; 1 changes nothing
  /// @param bias added to the logits of these tokens
  record Penalties(
      double presence, double frequency, double repetition, Map<Integer, Double> bias) {
    static final Penalties NONE = new Penalties(0, 0, 1, Map.of());

    Penalties {
      bias = Map.copyOf(bias);
    }
  }

  Sampling {
    stops = List.copyOf(stops);
  }

  Sampling(
      double temperature,
      int topK,
      double topP,
      double minP,
      long seed,
      List<String> stops,
      boolean ignoreEnd) {
    this(temperature, topK, topP, minP, seed, stops, ignoreEnd, 0, Penalties.NONE, -1, null);
  }

  /// The same with another seed.
  Sampling seeded(long other) {
    return with(other, grammar);
  }

  /// The same without the text of a form.
  Sampling withoutGrammar() {
    return with(seed, null);
  }

  private Sampling with(long otherSeed, @Nullable String otherGrammar) {
    return new Sampling(
        temperature,
        topK,
        topP,
        minP,
        otherSeed,
        stops,
        ignoreEnd,
        minTokens,
        penalties,
        logprobs,
        otherGrammar);
  }

  boolean greedy() {
    return temperature == 0 || topK == 1;
  }
}
