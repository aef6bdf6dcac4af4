package org.infinilm.svc.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A model that serves.
///
/// @param maxTokens longest answer when the client leaves it open
record Loaded(Vocabulary vocabulary, TokenTable table, Engine engine, int maxTokens) {
  /// One character written as a JSON escape.
  private static final int ESCAPED_BYTES = 6;

  private static final int OTHER_FIELDS_BYTES = 1 << 20;

  /// The longest prompt and answer together.
  int maxModelTokens() {
    return engine.limits().cacheTokens();
  }

  /// Refuses a body before it is read when its prompt cannot fit, however it is written.
  void checkBody(int bytes) throws ApiError {
    long most = table.mostBytes(maxModelTokens()) * ESCAPED_BYTES + OTHER_FIELDS_BYTES;
    if (bytes > most) {
      throw new ApiError(
          400,
          "context_length_exceeded",
          null,
          "a body of "
              + bytes
              + " bytes (expected: at most "
              + most
              + ", more than any prompt of "
              + maxModelTokens()
              + " tokens, this model's maximum context length)");
    }
  }

  /// The prompt of a generation as tokens, at least one.
  int[] generationPrompt(Ask ask) throws ApiError {
    int[] tokens = prompt(ask);
    if (tokens.length == 0) {
      throw ApiError.value("prompt", "no tokens", "at least one");
    }
    for (int token : ask.sampling().penalties().bias().keySet()) {
      if (token < 0 || token >= table.size()) {
        throw ApiError.value("logit_bias", token, "token ids 0.." + (table.size() - 1));
      }
    }
    return tokens;
  }

  /// The form that a request wants its answer in, at its beginning.
  @Nullable Grammar grammar(Ask ask) throws ApiError {
    String gbnf = ask.sampling().grammar();
    if (gbnf == null) {
      return null;
    }
    try {
      return vocabulary.grammar(gbnf);
    } catch (IllegalArgumentException e) {
      throw new ApiError(
          400, "invalid_value", "response_format", "response_format: " + e.getMessage());
    }
  }

  /// The prompt of a request as tokens.
  int[] prompt(Ask ask) throws ApiError {
    List<Integer> ids = ask.tokens();
    if (ids != null) {
      for (int i = 0; i < ids.size(); i++) {
        if (ids.get(i) < 0 || ids.get(i) >= table.size()) {
          throw ApiError.value(
              "prompt[" + i + "]", ids.get(i), "a token id 0.." + (table.size() - 1));
        }
      }
      return ids.stream().mapToInt(Integer::intValue).toArray();
    }
    String text = ask.text();
    if (text == null) {
      List<Vocabulary.Message> messages = ask.messages();
      text = rendered(messages == null ? List.of() : messages, ask.answerTurn());
    }
    long fewest = table.fewestTokens(text.length());
    if (fewest > maxModelTokens()) {
      throw tooLong(ask, "at least " + fewest, 1);
    }
    return vocabulary.tokenize(text, ask.ownStart());
  }

  private String rendered(List<Vocabulary.Message> messages, boolean answerTurn) throws ApiError {
    try {
      return vocabulary.prompt(messages, answerTurn);
    } catch (IllegalArgumentException e) {
      throw new ApiError(400, "invalid_value", "messages", "messages: " + e.getMessage());
    }
  }

  /// How many tokens the answer may have.
  int answerTokens(Ask ask, int promptTokens) throws ApiError {
    Integer wanted = ask.maxTokens();
    long least = wanted == null ? 1 : wanted;
    if (!engine.limits().fits(promptTokens + least)) {
      throw tooLong(ask, "" + promptTokens, least);
    }
    return wanted == null ? Math.min(maxTokens, maxModelTokens() - promptTokens) : wanted;
  }

  private ApiError tooLong(Ask ask, String promptTokens, long answerTokens) {
    return new ApiError(
        400,
        "context_length_exceeded",
        ask.messages() == null ? "prompt" : "messages",
        "the prompt has "
            + promptTokens
            + " tokens and the answer may have "
            + answerTokens
            + " (expected: together at most "
            + maxModelTokens()
            + " tokens, this model's maximum context length)");
  }
}
