package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/// Content and calls of one answer, as chunks of a stream or as a whole. One thread.
final class AnswerParts {
  private record Called(String id, String name, StringBuilder arguments) {}

  private final int choice;
  private final Answers answers;
  private final @Nullable LogprobsJson logprobs;
  private final @Nullable ToolCallReader reader;
  private final StringBuilder content = new StringBuilder();
  private final List<Called> calls = new ArrayList<>();

  /// Those of tokens whose text is held back.
  private final List<TokenLogprob> tokens = new ArrayList<>();

  /// @param choice the answer's index
  /// @param logprobs null when the request wants none
  /// @param reader null when the answer calls nothing
  AnswerParts(
      int choice,
      Answers answers,
      @Nullable LogprobsJson logprobs,
      @Nullable ToolCallReader reader) {
    this.choice = choice;
    this.answers = answers;
    this.logprobs = logprobs;
    this.reader = reader;
  }

  /// More text of the model; the chunks that it gives.
  List<Map<String, Object>> accept(
      String text, List<TokenLogprob> more, @Nullable Map<String, Object> usage) {
    tokens.addAll(more);
    return reader == null
        ? List.of(answers.piece(choice, text, takeLogprobs(), usage))
        : chunks(reader.accept(text), usage);
  }

  /// The answer ends; its last chunks.
  List<Map<String, Object>> finish(String reason, @Nullable Map<String, Object> usage) {
    List<Map<String, Object>> out = new ArrayList<>();
    if (reader != null) {
      out.addAll(chunks(reader.finish(), usage));
    }
    Object left = tokens.isEmpty() ? null : takeLogprobs();
    out.add(answers.finish(choice, why(reason), left, usage));
    return out;
  }

  /// Takes more text for [#whole].
  void add(String text, List<TokenLogprob> more) {
    tokens.addAll(more);
    if (reader == null) {
      content.append(text);
    } else {
      reader.accept(text).forEach(this::keep);
    }
  }

  /// The whole answer of what was added.
  Answers.Choice whole(String reason) {
    if (reader != null) {
      reader.finish().forEach(this::keep);
    }
    List<Answers.Call> all =
        calls.stream()
            .map(c -> new Answers.Call(c.id(), c.name(), c.arguments().toString()))
            .toList();
    return new Answers.Choice(content.toString(), all, takeLogprobs(), why(reason));
  }

  private void keep(ToolCallReader.Part part) {
    switch (part) {
      case ToolCallReader.Part.Content(var text) -> content.append(text);
      case ToolCallReader.Part.Begin(var _, var name) ->
          calls.add(new Called(id(), name, new StringBuilder()));
      case ToolCallReader.Part.Arguments(var _, var json) ->
          calls.getLast().arguments().append(json);
    }
  }

  private List<Map<String, Object>> chunks(
      List<ToolCallReader.Part> parts, @Nullable Map<String, Object> usage) {
    List<Map<String, Object>> out = new ArrayList<>();
    for (ToolCallReader.Part part : parts) {
      Object said = takeLogprobs();
      out.add(
          switch (part) {
            case ToolCallReader.Part.Content(var text) -> answers.piece(choice, text, said, usage);
            case ToolCallReader.Part.Begin(var call, var name) ->
                answers.call(choice, call, new Answers.Call(id(), name, ""), said, usage);
            case ToolCallReader.Part.Arguments(var call, var json) ->
                answers.arguments(choice, call, json, said, usage);
          });
    }
    return out;
  }

  private @Nullable Object takeLogprobs() {
    Object out = logprobs == null ? null : logprobs.of(tokens);
    tokens.clear();
    return out;
  }

  /// An answer that ends by itself behind a call ends for the call.
  private String why(String reason) {
    return reader != null && reader.calls() > 0 && reason.equals("stop") ? "tool_calls" : reason;
  }

  private static String id() {
    ThreadLocalRandom r = ThreadLocalRandom.current();
    return "call_"
        + HexFormat.of().toHexDigits(r.nextLong())
        + HexFormat.of().toHexDigits(r.nextInt());
  }
}
