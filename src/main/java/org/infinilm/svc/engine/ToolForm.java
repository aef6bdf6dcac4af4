package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// How a family of models is told of tools and how it calls them. llama.cpp renders turns but no
/// tools, so what the families' own templates say about tools is written here into the messages.
enum ToolForm {
  /// Hermes, Qwen2.5 and their like: `<tool_call>{"name": ..., "arguments": ...}</tool_call>`.
  HERMES("<tool_call>", "</tool_call>", "arguments"),
  /// Llama 3.1, 3.2 and 3.3: the answer is `{"name": ..., "parameters": ...}`.
  LLAMA("", "", "parameters");

  /// What Llama models may put before a call.
  static final String PYTHON = "<|python_tag|>";

  private static final String HERMES_BEFORE =
      """
      # Tools

      You may call one or more functions to assist with the user query.

      You are provided with function signatures within <tools></tools> XML tags:
      <tools>\
      """;
  private static final String HERMES_AFTER =
      """

      </tools>

      For each function call, return a json object with function name and arguments within \
      <tool_call></tool_call> XML tags:
      <tool_call>
      {"name": <function-name>, "arguments": <args-json-object>}
      </tool_call>\
      """;
  private static final String LLAMA_BEFORE =
      """
      Given the following functions, please respond with a JSON for a function call with its \
      proper arguments that best answers the given prompt.

      Respond in the format {"name": function name, "parameters": dictionary of argument name and \
      its value}.Do not use variables.

      """;

  private final String open;
  private final String close;
  private final String argumentsKey;

  ToolForm(String open, String close, String argumentsKey) {
    this.open = open;
    this.close = close;
    this.argumentsKey = argumentsKey;
  }

  /// What begins a call; empty when only the beginning of an answer does.
  String open() {
    return open;
  }

  String close() {
    return close;
  }

  String argumentsKey() {
    return argumentsKey;
  }

  /// The form that a chat template (Jinja) knows, by its marks; null when it knows none of these.
  static @Nullable ToolForm of(String template) {
    boolean other = template.contains("<function=") || template.contains("<arg_key>");
    if (template.contains(HERMES.open) && template.contains(HERMES.argumentsKey) && !other) {
      return HERMES;
    }
    if (template.contains("<|start_header_id|>")
        && template.contains("ipython")
        && template.contains(LLAMA.argumentsKey)) {
      return LLAMA;
    }
    return null;
  }

  /// The texts that the form gives a meaning; where they are tokens, no message may hold them.
  List<String> tags() {
    return this == LLAMA
        ? List.of(PYTHON)
        : List.of(open, close, "<tools>", "</tools>", "<tool_response>", "</tool_response>");
  }

  /// Tools, calls and their results as plain messages.
  ///
  /// @param tools JSON, one each; empty when none are offered
  List<Vocabulary.Message> written(List<Vocabulary.Message> messages, List<String> tools) {
    List<Vocabulary.Message> out = new ArrayList<>();
    StringBuilder results = new StringBuilder();
    for (Vocabulary.Message m : messages) {
      boolean result = m.role().equals("tool") || m.role().equals("function");
      if (result && this == HERMES) {
        results.append(results.isEmpty() ? "" : "\n");
        results.append("<tool_response>\n").append(m.content()).append("\n</tool_response>");
      } else {
        flush(results, out);
        out.add(new Vocabulary.Message(result ? "ipython" : m.role(), said(m)));
      }
    }
    flush(results, out);
    return tools.isEmpty() ? out : this == HERMES ? hermes(out, tools) : llama(out, tools);
  }

  /// Results that follow each other are one message.
  private static void flush(StringBuilder results, List<Vocabulary.Message> out) {
    if (!results.isEmpty()) {
      out.add(new Vocabulary.Message("user", results.toString()));
      results.setLength(0);
    }
  }

  private String said(Vocabulary.Message m) {
    if (m.calls().isEmpty()) {
      return m.content();
    }
    String calls = m.calls().stream().map(this::written).collect(Collectors.joining("\n"));
    return m.content().isEmpty() || this == LLAMA ? calls : m.content() + "\n" + calls;
  }

  private String written(Vocabulary.Call c) {
    String json =
        "{\"name\": \"" + c.name() + "\", \"" + argumentsKey + "\": " + c.arguments() + "}";
    return this == LLAMA ? json : open + "\n" + json + "\n" + close;
  }

  private static List<Vocabulary.Message> hermes(
      List<Vocabulary.Message> messages, List<String> tools) {
    return withSystem(
        messages,
        own ->
            (own.isEmpty() ? "" : own + "\n\n")
                + HERMES_BEFORE
                + tools.stream().map(t -> "\n" + t).collect(Collectors.joining())
                + HERMES_AFTER);
  }

  private static List<Vocabulary.Message> llama(
      List<Vocabulary.Message> messages, List<String> tools) {
    List<Vocabulary.Message> out = withSystem(messages, own -> "Environment: ipython\n" + own);
    String all = LLAMA_BEFORE + tools.stream().map(t -> t + "\n\n").collect(Collectors.joining());
    for (int i = 0; i < out.size(); i++) {
      if (out.get(i).role().equals("user")) {
        out.set(i, new Vocabulary.Message("user", all + out.get(i).content()));
        return out;
      }
    }
    out.add(new Vocabulary.Message("user", all));
    return out;
  }

  private static List<Vocabulary.Message> withSystem(
      List<Vocabulary.Message> messages, UnaryOperator<String> text) {
    boolean own = !messages.isEmpty() && messages.getFirst().role().equals("system");
    List<Vocabulary.Message> out = new ArrayList<>();
    out.add(new Vocabulary.Message("system", text.apply(own ? messages.getFirst().content() : "")));
    out.addAll(own ? messages.subList(1, messages.size()) : messages);
    return out;
  }
}
