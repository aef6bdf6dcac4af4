package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ToolCallReaderTest {
  private static final Set<String> NAMES = Set.of("f", "get_weather");

  /// What an answer came to, and that its parts were in order.
  private static final class Seen {
    final StringBuilder content = new StringBuilder();
    final List<String> calls = new ArrayList<>();
    final List<String> pieces = new ArrayList<>();

    void take(List<ToolCallReader.Part> parts) {
      for (ToolCallReader.Part part : parts) {
        switch (part) {
          case ToolCallReader.Part.Content(var text) -> {
            assertThat(text).isNotEmpty();
            pieces.add(text);
            content.append(text);
          }
          case ToolCallReader.Part.Begin(var call, var name) -> {
            assertThat(call).isEqualTo(calls.size());
            calls.add(name + " ");
          }
          case ToolCallReader.Part.Arguments(var call, var json) -> {
            assertThat(call).isEqualTo(calls.size() - 1);
            assertThat(json).isNotEmpty();
            calls.set(call, calls.get(call) + json);
          }
        }
      }
    }

    @Override
    public String toString() {
      return content + " | " + String.join(" | ", calls);
    }
  }

  private static Seen read(ToolForm form, List<String> pieces) {
    ToolCallReader reader = new ToolCallReader(form, NAMES);
    Seen seen = new Seen();
    pieces.forEach(p -> seen.take(reader.accept(p)));
    seen.take(reader.finish());
    assertThat(reader.calls()).isEqualTo(seen.calls.size());
    return seen;
  }

  private static void atEveryCut(ToolForm form, String answer, String expected) {
    for (int cut = 0; cut <= answer.length(); cut++) {
      Seen seen = read(form, List.of(answer.substring(0, cut), answer.substring(cut)));
      assertThat(seen.toString()).as("cut at %d", cut).isEqualTo(expected);
    }
    assertThat(read(form, answer.chars().mapToObj(Character::toString).toList()).toString())
        .as("each character alone")
        .isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '@',
      textBlock =
          """
          @Hello.@ ~ @Hello. | @
          @a < b and <tool_ca and </tool_call>@ ~ @a < b and <tool_ca and </tool_call> | @
          @<tool_call>N{"name": "f", "arguments": {"a": 1}}N</tool_call>@ ~ @ | f {"a": 1}@
          @Let me see.NN<tool_call>N{"name": "f", "arguments": {}}N</tool_call>N@ ~ @Let me see. | f {}@
          @<tool_call>{"name":"f","arguments":{"a":[{"b":"}"},"\\"{"]}}</tool_call>@ ~ @ | f {"a":[{"b":"}"},"\\"{"]}@
          @<tool_call>{"name":"f","arguments":{"a":"</tool_call>"}}</tool_call>x@ ~ @x | f {"a":"</tool_call>"}@
          @<tool_call>N{"name": "f", "arguments": {"a": 1}}N</tool_call>N<tool_call>N{"name": "get_weather", "arguments": {"city": "Köln"}}N</tool_call>@ ~ @ | f {"a": 1} | get_weather {"city": "Köln"}@
          @<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>@ ~ @ | f {"a": 1}@
          @<tool_call>{"name": "f"}</tool_call>@ ~ @ | f {}@
          @<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>@ ~ @ | f {"a": 1}@
          @<tool_call>{"name": "f", "parameters": {"a": 1}}</tool_call>@ ~ @ | f {"a": 1}@
          @<tool_call>{"name": "f", "arguments": {"a": 1}, "id": 7}</tool_call>x@ ~ @x | f {"a": 1}@
          @<tool_call>{"name": "unknown", "arguments": {}}</tool_call>@ ~ @<tool_call>{"name": "unknown", "arguments": {}}</tool_call> | @
          @<tool_call>no json</tool_call> and on@ ~ @<tool_call>no json</tool_call> and on | @
          @<tool_call>{"name": "f", "argum@ ~ @<tool_call>{"name": "f", "argum | @
          @<tool_call>{"arguments": {}, "name": "f"}@ ~ @ | f {}@
          @<tool_call>{"name": "f", "arguments": {"a": 1}@ ~ @ | f {"a": 1}@
          @<tool_call>{"name": "f", "arguments": {"a": 1@ ~ @ | f {"a": 1@
          @<tool_call>{"name": "f", "arguments": {"a": 1}} so@ ~ @so | f {"a": 1}@
          @<tool_call>{"name": "f", "arguments": {"a": 1</tool_call> so@ ~ @ so | f {"a": 1@
          @x  @ ~ @x   | @
          """)
  void anAnswerInTheFormOfHermesIsReadAlikeHoweverItIsCut(String answer, String expected) {
    atEveryCut(ToolForm.HERMES, answer.replace('N', '\n'), expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '@',
      textBlock =
          """
          @Hello {"name": "f", "parameters": {}}@ ~ @Hello {"name": "f", "parameters": {}} | @
          @{"name": "f", "parameters": {"a": 1}}@ ~ @ | f {"a": 1}@
          @N<|python_tag|>{"name": "f", "parameters": {"a": "}"}}@ ~ @ | f {"a": "}"}@
          @{"name": "f", "parameters": {"a": 1}}; {"name": "get_weather", "parameters": {}}@ ~ @ | f {"a": 1} | get_weather {}@
          @{"name": "other", "parameters": {}}@ ~ @{"name": "other", "parameters": {}} | @
          @{"temperature": 3}@ ~ @{"temperature": 3} | @
          @<|python_tag|>print(1)@ ~ @<|python_tag|>print(1) | @
          @{"name": "f"@ ~ @{"name": "f" | @
          """)
  void anAnswerInTheFormOfLlamaIsReadAlikeHoweverItIsCut(String answer, String expected) {
    atEveryCut(ToolForm.LLAMA, answer.replace('N', '\n'), expected);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 8})
  void noContentHoldsAPartOfATag(int size) {
    String answer =
        "One < two, see:\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
    List<String> pieces = new ArrayList<>();
    for (int i = 0; i < answer.length(); i += size) {
      pieces.add(answer.substring(i, Math.min(answer.length(), i + size)));
    }
    Seen seen = read(ToolForm.HERMES, pieces);
    assertThat(seen.toString()).isEqualTo("One < two, see: | f {\"a\": 1}");
    assertThat(seen.pieces).noneMatch(p -> p.contains("<t") || p.contains("call"));
  }

  @Test
  void argumentsArePassedOnAsTheyCome() {
    ToolCallReader reader = new ToolCallReader(ToolForm.HERMES, NAMES);
    assertThat(reader.accept("<tool_call>{\"name\": \"f\", \"arguments\": ")).isEmpty();
    assertThat(reader.accept("{"))
        .containsExactly(
            new ToolCallReader.Part.Begin(0, "f"), new ToolCallReader.Part.Arguments(0, "{"));
    assertThat(reader.accept("\"a\": \"long"))
        .containsExactly(new ToolCallReader.Part.Arguments(0, "\"a\": \"long"));
  }

  @Test
  void whateverAModelWritesNothingIsLostOutsideOfCalls() {
    Random random = new Random(7);
    List<String> words =
        List.of(
            "<tool_call>",
            "</tool_call>",
            "{",
            "}",
            "\"name\": \"f\"",
            ",",
            "<",
            " ",
            "x",
            "\"",
            "\"arguments\": {",
            "\\");
    for (int i = 0; i < 20_000; i++) {
      List<String> pieces = new ArrayList<>();
      for (int n = random.nextInt(12); n >= 0; n--) {
        pieces.add(words.get(random.nextInt(words.size())));
      }
      Seen seen = read(ToolForm.HERMES, pieces);
      if (seen.calls.isEmpty()) {
        assertThat(seen.content.toString()).isEqualTo(String.join("", pieces));
      }
      assertThat(read(ToolForm.HERMES, List.of(String.join("", pieces))).toString())
          .isEqualTo(seen.toString());
    }
  }
}
