package org.infinilm.svc.engine;

import java.util.Arrays;
import java.util.List;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// A model that serves.
///
/// @param maxTokens longest answer when the client leaves it open
record Loaded(
    Vocabulary vocabulary, TokenTable table, PromptText text, Engine engine, int maxTokens) {
  /// One character written as a JSON escape.
  private static final int ESCAPED_BYTES = 6;

  private static final int OTHER_FIELDS_BYTES = 1 << 20;

  /// Bytes a token of the longest prompt from which on a text is counted before it is tokenised.
  private static final long FAR_TOO_LONG = 4;

  private static final int LLAMA_INDENT = 4;
  private static final String NO_CALLS =
      "none; this model's chat template knows no tool calls that this engine can write";

  private static final int PIECE_CHARS = 32 << 10;

  /// Tokens that a cut through a text may make more.
  private static final int LOST_AT_A_CUT = 16;

  Loaded(Vocabulary vocabulary, TokenTable table, Engine engine, int maxTokens) {
    this(
        vocabulary,
        table,
        new PromptText(vocabulary.controls(), tags(vocabulary)),
        engine,
        maxTokens);
  }

  /// The tags of the model's form of tool calls that are tokens.
  private static List<String> tags(Vocabulary vocabulary) {
    ToolForm form = vocabulary.toolForm();
    return form == null
        ? List.of()
        : form.tags().stream().filter(t -> vocabulary.tokenize(t, false).length == 1).toList();
  }

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
    Tools tools = ask.tools();
    ToolForm form = vocabulary.toolForm();
    String gbnf =
        tools != null && form != null && tools.required()
            ? ToolGrammar.of(form, tools)
            : ask.sampling().grammar();
    if (gbnf == null) {
      return null;
    }
    try {
      return vocabulary.grammar(gbnf);
    } catch (IllegalArgumentException e) {
      String param = ask.sampling().grammar() == null ? "tools" : "response_format";
      throw new ApiError(400, "invalid_value", param, param + ": " + e.getMessage());
    }
  }

  /// What finds the calls in an answer, or null when it may have none.
  @Nullable ToolCallReader callReader(Ask ask) {
    Tools tools = ask.tools();
    ToolForm form = vocabulary.toolForm();
    return tools == null || form == null ? null : new ToolCallReader(form, tools.callable());
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
    List<Vocabulary.Message> messages = ask.messages();
    List<PromptText.Part> parts =
        text != null
            ? List.of(new PromptText.Part(text, false))
            : rendered(messages == null ? List.of() : messages, ask);
    return tokens(ask, parts);
  }

  private int[] tokens(Ask ask, List<PromptText.Part> parts) throws ApiError {
    long bytes = parts.stream().mapToLong(p -> p.text().length()).sum();
    long fewest = table.fewestTokens(bytes);
    if (fewest > maxModelTokens()) {
      throw tooLong(ask, "at least " + fewest, 1);
    }
    if (bytes > FAR_TOO_LONG * maxModelTokens()) {
      countFirst(ask, parts);
    }
    int[] out = new int[0];
    for (int i = 0; i < parts.size(); i++) {
      PromptText.Part p = parts.get(i);
      if (i == 0 || !p.text().isEmpty()) {
        int[] more = vocabulary.tokenize(p.text(), i == 0 && ask.ownStart(), !p.plain());
        int before = out.length;
        out = i == 0 ? more : Arrays.copyOf(out, before + more.length);
        System.arraycopy(more, 0, out, out.length - more.length, more.length);
      }
    }
    return out;
  }

  /// Counts in pieces, so that a prompt which is far too long costs no more than one that fits.
  private void countFirst(Ask ask, List<PromptText.Part> parts) throws ApiError {
    long sure = 0;
    for (PromptText.Part p : parts) {
      String text = p.text();
      for (int from = 0; from < text.length(); ) {
        int to = pieceEnd(text, from);
        sure +=
            Math.max(
                0,
                vocabulary.tokenize(text.substring(from, to), false, !p.plain()).length
                    - LOST_AT_A_CUT);
        if (sure > maxModelTokens()) {
          throw tooLong(ask, "more than " + sure, 1);
        }
        from = to;
      }
    }
  }

  /// Before a word where one begins in the second half of the piece.
  private static int pieceEnd(String text, int from) {
    int to = Math.min(text.length(), from + PIECE_CHARS);
    if (to == text.length()) {
      return to;
    }
    int space = text.lastIndexOf(' ', to);
    if (space > from + PIECE_CHARS / 2) {
      return space;
    }
    return Character.isLowSurrogate(text.charAt(to)) ? to - 1 : to;
  }

  private List<PromptText.Part> rendered(List<Vocabulary.Message> messages, Ask ask)
      throws ApiError {
    Tools offered = ask.tools();
    ToolForm form = vocabulary.toolForm();
    List<String> tools = List.of();
    if (form == null) {
      refuseCalls(messages, offered);
    } else if (offered != null) {
      int indent = form == ToolForm.LLAMA ? LLAMA_INDENT : 0;
      tools = offered.all().stream().map(t -> Tools.json(t.text(), indent)).toList();
    }
    try {
      return text.of(messages, tools, ask.answerTurn(), vocabulary);
    } catch (IllegalArgumentException e) {
      throw new ApiError(400, "invalid_value", "messages", "messages: " + e.getMessage());
    }
  }

  /// For a model whose template knows no calls.
  private static void refuseCalls(List<Vocabulary.Message> messages, @Nullable Tools offered)
      throws ApiError {
    if (offered != null) {
      throw ApiError.value("tools", "a list of " + offered.all().size(), NO_CALLS);
    }
    for (int i = 0; i < messages.size(); i++) {
      if (!messages.get(i).calls().isEmpty()) {
        throw ApiError.value("messages[" + i + "].tool_calls", "a list", NO_CALLS);
      }
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
