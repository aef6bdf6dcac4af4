package org.infinilm.svc.engine;

import io.netty.buffer.ByteBufUtil;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// A model that serves.
///
/// @param maxTokens longest answer when the client leaves it open
/// @param embedder null when it makes no embeddings
record Loaded(
    Vocabulary vocabulary,
    TokenTable table,
    PromptText text,
    PieceTokenizer tokenizer,
    Engine engine,
    int maxTokens,
    @Nullable Embedder embedder,
    GrammarRoom forms) {
  /// One character written as a JSON escape.
  private static final int ESCAPED_BYTES = 6;

  private static final int OTHER_FIELDS_BYTES = 1 << 20;

  private static final int LLAMA_INDENT = 4;

  /// Log probabilities of one request.
  private static final int MOST_LOGPROBS = 100_000;

  /// Of one, while the answer is written.
  private static final int LOGPROB_BYTES = 400;

  /// Of an answer that waits or is made, without what it says.
  private static final int CHOICE_BYTES = 8 << 10;

  private static final int BIAS_BYTES = 100;

  private static final String NO_CALLS =
      "none; this model's chat template knows no tool calls that this engine can write";

  /// One that makes no embeddings.
  Loaded(Vocabulary vocabulary, TokenTable table, Engine engine, int maxTokens) {
    this(vocabulary, table, engine, maxTokens, null);
  }

  Loaded(
      Vocabulary vocabulary,
      TokenTable table,
      Engine engine,
      int maxTokens,
      @Nullable Embedder embedder) {
    this(
        vocabulary,
        table,
        new PromptText(vocabulary.controls(), tags(vocabulary)),
        new PieceTokenizer(vocabulary, table.pieces()),
        engine,
        maxTokens,
        embedder,
        new GrammarRoom());
  }

  /// Cuts what runs and waits for the threads.
  void stop() throws InterruptedException {
    engine.stop();
    if (embedder != null) {
      embedder.stop();
    }
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
  int[] generationPrompt(Ask ask, Effort effort) throws ApiError {
    int[] tokens = prompt(ask, effort);
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

  /// The form that a request wants its answers in, or null.
  @Nullable String form(Ask ask, Effort effort) throws ApiError {
    Tools tools = ask.tools();
    ToolForm form = vocabulary.toolForm();
    return tools != null && form != null && tools.required()
        ? ToolGrammar.of(form, tools, effort)
        : ask.sampling().grammar();
  }

  /// A form at its beginning, one for each choice.
  ///
  /// @param gbnf as [#form]
  /// @param weight as [JsonRules#weight]
  List<Grammar> grammars(Ask ask, String gbnf, long weight, Effort effort) throws ApiError {
    List<Grammar> out = new ArrayList<>();
    boolean whole = false;
    try {
      while (out.size() < ask.choices()) {
        effort.pause();
        out.add(forms.held(weight, () -> vocabulary.grammar(gbnf)));
      }
      whole = true;
      return List.copyOf(out);
    } catch (IllegalArgumentException e) {
      Tools tools = ask.tools();
      String param = tools != null && tools.required() ? "tools" : "response_format";
      throw new ApiError(400, "invalid_value", param, param + ": " + e.getMessage());
    } finally {
      if (!whole) {
        out.forEach(Grammar::close);
      }
    }
  }

  /// What finds the calls in an answer, or null when it may have none.
  @Nullable ToolCallReader callReader(Ask ask) {
    Tools tools = ask.tools();
    ToolForm form = vocabulary.toolForm();
    return tools == null || form == null ? null : new ToolCallReader(form, tools.callable());
  }

  /// The prompt of a request as tokens, for a client that stays.
  int[] prompt(Ask ask) throws ApiError {
    return prompt(ask, Effort.alone());
  }

  /// The prompt of a request as tokens.
  int[] prompt(Ask ask, Effort effort) throws ApiError {
    int[] ids = ask.tokens();
    if (ids != null) {
      return table.checked("prompt", ids);
    }
    String text = ask.text();
    List<Vocabulary.Message> messages = ask.messages();
    List<PromptText.Part> parts =
        text != null
            ? List.of(new PromptText.Part(text, false))
            : rendered(messages == null ? List.of() : messages, ask);
    return tokens(ask, parts, effort);
  }

  private int[] tokens(Ask ask, List<PromptText.Part> parts, Effort effort) throws ApiError {
    long bytes = parts.stream().mapToLong(p -> ByteBufUtil.utf8Bytes(p.text())).sum();
    long fewest = table.fewestTokens(bytes);
    if (fewest > maxModelTokens()) {
      throw tooLong(ask, "at least " + fewest, 1);
    }
    return tokenizer.tokens(
        parts,
        ask.ownStart(),
        effort,
        sure -> {
          if (sure > maxModelTokens()) {
            throw tooLong(ask, "at least " + sure, 1);
          }
        });
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

  /// Those of whole answers are kept until an answer is sent, and its JSON is made at once; of a
  /// stream only what is not read yet is kept, which [Generation#MOST_UNREAD_BYTES] bounds.
  static void checkLogprobs(Ask ask, int answerTokens) throws ApiError {
    long all = keptLogprobs(ask, answerTokens);
    if (all > MOST_LOGPROBS) {
      throw ApiError.value(
          "logprobs",
          all + " of them (n x max_tokens x (1 + those beside each))",
          "at most " + MOST_LOGPROBS);
    }
  }

  private static long keptLogprobs(Ask ask, int answerTokens) {
    int top = ask.sampling().logprobs();
    return top < 0 || ask.stream() ? 0 : (long) ask.choices() * answerTokens * (1 + top);
  }

  /// What a request holds in memory beside its body until its answer ends, about.
  ///
  /// @param answerTokens most tokens of an answer
  long heldBytes(Ask ask, int promptTokens, int answerTokens) {
    Sampling.Penalties penalties = ask.sampling().penalties();
    long marks = penalties.repetition() == 1 ? 0 : table.size() / Byte.SIZE;
    return (long) Integer.BYTES * promptTokens
        + ask.choices() * (CHOICE_BYTES + marks)
        + (long) BIAS_BYTES * penalties.bias().size()
        + LOGPROB_BYTES * keptLogprobs(ask, answerTokens);
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
