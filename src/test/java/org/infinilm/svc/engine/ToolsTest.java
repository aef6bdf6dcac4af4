package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.infinilm.svc.engine.Vocabulary.Message;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ToolsTest {
  private static final String F = "{'type':'function','function':{'name':'f'}}";
  private static final String G =
      "{'type':'function','function':{'name':'g','description':'Gets it.','parameters':{'type':'object','properties':{'n':{'type':'integer'}},'required':['n']}}}";

  private static JsonNode json(String text) throws Exception {
    return Json.tree(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
  }

  private static Tools tools(String fields) throws Exception {
    return Objects.requireNonNull(Tools.of(json("{" + fields + "}")));
  }

  private static List<String> texts(Tools tools) {
    return tools.all().stream().map(t -> Tools.json(t.text(), 0)).toList();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '@',
      textBlock =
          """
          'tools':'f' ~ tools: a string (expected: a list of at most 128)
          'tools':[5] ~ tools[0]: 5 (expected: an object)
          'tools':[{'type':'retrieval'}] ~ tools[0].type: retrieval (expected: function)
          'tools':[{'function':{'name':'f'}}] ~ tools[0].type: missing (expected: function)
          'tools':[{'type':'function'}] ~ tools[0].function: missing (expected: an object)
          'tools':[{'type':'function','function':{}}] ~ tools[0].function.name: missing (expected: 1..64 letters, digits, _, - and .)
          'tools':[{'type':'function','function':{'name':'a b'}}] ~ tools[0].function.name: a b (expected: 1..64 letters, digits, _, - and .)
          'tools':[F,F] ~ tools[1].function.name: f (expected: each name only once)
          'tools':[{'type':'function','function':{'name':'f','description':7}}] ~ tools[0].function.description: 7 (expected: a string)
          'tools':[{'type':'function','function':{'name':'f','parameters':[]}}] ~ tools[0].function.parameters: an empty list (expected: a JSON schema)
          'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'string'}}}] ~ tools[0].function.parameters.type: string (expected: object)
          'tools':[{'type':'function','function':{'name':'f','strict':1}}] ~ strict: 1 (expected: true or false)
          'tools':[F],'tool_choice':'any' ~ tool_choice: a string (expected: none, auto, required or a function by name)
          'tools':[F],'tool_choice':{'type':'function','function':{'name':'g'}} ~ tool_choice.function.name: g (expected: a name of tools)
          'tools':[F],'tool_choice':{'type':'allowed_tools'} ~ tool_choice: an object (expected: none, auto, required or a function by name)
          'tools':[F],'parallel_tool_calls':'no' ~ parallel_tool_calls: a string (expected: true or false)
          'tool_choice':'required' ~ tool_choice: a string (expected: none or auto without tools)
          'tools':[],'tool_choice':'required' ~ tool_choice: a string (expected: none or auto without tools)
          """)
  void whatIsWrongWithToolsIsNamed(String fields, String message) {
    assertThatThrownBy(() -> Tools.of(json("{" + fields.replace("F", F) + "}")))
        .isInstanceOfSatisfying(ApiError.class, e -> assertThat(e.status()).isEqualTo(400))
        .hasMessage(message);
  }

  @Test
  void toolsAreBoundedInNumberAndSize() {
    String many =
        IntStream.range(0, 129)
            .mapToObj(i -> F.replace("'f'", "'f" + i + "'"))
            .collect(Collectors.joining(","));
    assertThatThrownBy(() -> tools("'tools':[" + many + "]"))
        .hasMessage("tools: a list of 129 (expected: a list of at most 128)");
    String large = F.replace("'f'", "'f','description':'" + "x".repeat(1 << 18) + "'");
    assertThatThrownBy(() -> tools("'tools':[" + large + "]"))
        .hasMessageMatching("tools: \\d+ characters \\(expected: at most 262144\\)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "'tools':[]",
        "'tools':null,'tool_choice':null",
        "'tool_choice':'auto'",
        "'tool_choice':'none'",
        "'tools':[{'any':1}],'tool_choice':'none'"
      })
  void whatAsksForNoCallOffersNoTools(String fields) throws Exception {
    assertThat(Tools.of(json("{" + fields + "}"))).isNull();
  }

  @Test
  void theChoiceSaysWhatMayBeCalled() throws Exception {
    String both = "'tools':[" + F + "," + G + "]";
    assertThat(tools(both).required()).isFalse();
    assertThat(tools(both + ",'tool_choice':'required'"))
        .satisfies(t -> assertThat(t.required()).isTrue())
        .satisfies(t -> assertThat(t.callable()).containsExactlyInAnyOrder("f", "g"))
        .satisfies(t -> assertThat(t.most()).isEqualTo(Tools.MOST_CALLS));
    assertThat(
            tools(both + ",'tool_choice':{'type':'function','function':{'name':'g'}}").callable())
        .containsExactly("g");
    assertThat(tools(both + ",'tool_choice':'required','parallel_tool_calls':false").most())
        .isEqualTo(1);
  }

  @Test
  void hermesIsToldAsInItsOwnTemplate() throws Exception {
    List<Message> chat =
        List.of(
            new Message("system", "Be brief."),
            new Message("user", "n?"),
            new Message(
                "assistant",
                "Let me see.",
                List.of(new Vocabulary.Call("g", "{\"n\": 1}"), new Vocabulary.Call("f", "{}"))),
            new Message("tool", "one"),
            new Message("tool", "two"),
            new Message("user", "and?"));
    List<Message> told = ToolForm.HERMES.written(chat, texts(tools("'tools':[" + G + "]")));
    assertThat(told)
        .containsExactly(
            new Message(
                "system",
                """
                Be brief.

                # Tools

                You may call one or more functions to assist with the user query.

                You are provided with function signatures within <tools></tools> XML tags:
                <tools>
                {"type": "function", "function": {"name": "g", "description": "Gets it.", \
                "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, \
                "required": ["n"]}}}
                </tools>

                For each function call, return a json object with function name and arguments \
                within <tool_call></tool_call> XML tags:
                <tool_call>
                {"name": <function-name>, "arguments": <args-json-object>}
                </tool_call>\
                """),
            new Message("user", "n?"),
            new Message(
                "assistant",
                """
                Let me see.
                <tool_call>
                {"name": "g", "arguments": {"n": 1}}
                </tool_call>
                <tool_call>
                {"name": "f", "arguments": {}}
                </tool_call>\
                """),
            new Message(
                "user",
                """
                <tool_response>
                one
                </tool_response>
                <tool_response>
                two
                </tool_response>\
                """),
            new Message("user", "and?"));
    assertThat(ToolForm.HERMES.written(List.of(new Message("user", "hi")), List.of("{}")))
        .satisfies(m -> assertThat(m.getFirst().content()).startsWith("# Tools\n\nYou may"));
  }

  @Test
  void llamaIsToldInTheFirstMessageOfTheUser() throws Exception {
    List<Message> chat =
        List.of(
            new Message("user", "n?"),
            new Message("assistant", "", List.of(new Vocabulary.Call("f", "{}"))),
            new Message("tool", "one"));
    JsonNode f = json(F);
    assertThat(ToolForm.LLAMA.written(chat, List.of(Tools.json(f, 4))))
        .containsExactly(
            new Message("system", "Environment: ipython\n"),
            new Message(
                "user",
                """
                Given the following functions, please respond with a JSON for a function call \
                with its proper arguments that best answers the given prompt.

                Respond in the format {"name": function name, "parameters": dictionary of argument \
                name and its value}.Do not use variables.

                {
                    "type": "function",
                    "function": {
                        "name": "f"
                    }
                }

                n?\
                """),
            new Message("assistant", "{\"name\": \"f\", \"parameters\": {}}"),
            new Message("ipython", "one"));
  }

  @Test
  void aTemplateSaysItsFormByItsMarks() {
    assertThat(ToolForm.of("{{ '<tool_call>\\n{\"name\": ..., \"arguments\": ...' }}"))
        .isEqualTo(ToolForm.HERMES);
    assertThat(ToolForm.of("<|start_header_id|>ipython ... \"parameters\": "))
        .isEqualTo(ToolForm.LLAMA);
    assertThat(ToolForm.of("<|im_start|>")).isNull();
    assertThat(ToolForm.of("")).isNull();
    assertThat(ToolForm.of("<tool_call><function=f><parameter=a> arguments")).isNull();
    assertThat(ToolForm.of("<tool_call>f<arg_key>a</arg_key> arguments")).isNull();
  }

  @Test
  void theCallsOfAnAssistantAreRead() throws Exception {
    JsonNode said =
        json(
            "{'role':'assistant','tool_calls':[{'id':'c','type':'function','function':{'name':'f',"
                + "'arguments':'{\\\"a\\\":[1,2],\\\"b\\\":\\\"ü\\\"}'}},{'function':{'name':'g'}},"
                + "{'function':{'name':'g','arguments':'{\\\"a'}}]}");
    assertThat(Tools.calls(said, "messages[0]"))
        .containsExactly(
            new Vocabulary.Call("f", "{\"a\": [1, 2], \"b\": \"ü\"}"),
            new Vocabulary.Call("g", "{}"),
            new Vocabulary.Call("g", "\"{\\\"a\""));
    assertThatThrownBy(() -> Tools.calls(json("{'role':'user','tool_calls':[{}]}"), "messages[3]"))
        .hasMessage("messages[3].tool_calls: a list (expected: only in a message of assistant)");
    assertThatThrownBy(
            () -> Tools.calls(json("{'role':'assistant','tool_calls':[{}]}"), "messages[3]"))
        .hasMessageStartingWith("messages[3].tool_calls[0].function.name: missing");
  }

  @Test
  void aStrictFunctionWhoseSchemaNoGrammarFollowsIsRefusedAndAnotherTakesAnyObject()
      throws Exception {
    String odd =
        "'tools':[{'type':'function','function':{'name':'f','strict':STRICT,'parameters':"
            + "{'type':'object','properties':{'a':{'type':'integer','minimum':3}}}}}],"
            + "'tool_choice':'required'";
    assertThat(
            ToolGrammar.of(ToolForm.HERMES, tools(odd.replace("STRICT", "false")), Effort.alone()))
        .contains("tool0 ::= any-object");
    assertThatThrownBy(() ->
            ToolGrammar.of(ToolForm.HERMES, tools(odd.replace("STRICT", "true")), Effort.alone()))
        .hasMessageStartingWith(
            "tools[0].function.parameters/properties/a: keyword minimum (expected: ");
  }

  /// The large one is not strict and would be any object by itself.
  @Test
  void whenTheSchemasTakeTooManyStepsTheRequestIsRefusedAndNoToolIsBlamed() throws Exception {
    String large = "x".repeat(100_000);
    String tools =
        """
        'tools':[{'type':'function','function':{'name':'large','parameters':
          {'type':'object','properties':{'a':{'enum':['LARGE']}}}}},
         {'type':'function','function':{'name':'tiny','strict':true,'parameters':
          {'type':'object','properties':{'a':{'type':'null'}}}}}],'tool_choice':'required'\
        """
            .replace("LARGE", large);
    Effort effort = Effort.alone();
    effort.schema(Effort.MOST_SCHEMA_STEPS - 300);
    assertThatThrownBy(() -> ToolGrammar.of(ToolForm.HERMES, tools(tools), effort))
        .isInstanceOfSatisfying(
            ApiError.class,
            e -> {
              assertThat(e.status()).isEqualTo(400);
              assertThat(e.body().toString()).contains("code=schema_too_costly", "param=tools,");
            })
        .hasMessage(
            "tools: takes more than 100000 steps to read (expected: smaller schemas, or fewer"
                + " references and alternatives)");
    assertThat(ToolGrammar.of(ToolForm.HERMES, tools(tools), Effort.alone()))
        .contains("tool0 ::= \"{\" ", "tool1 ::= \"{\" ");
  }

  /// So many functions with so many optional parameters each.
  private static String many(int functions, int parameters, String name, String type) {
    String properties =
        IntStream.range(0, parameters)
            .mapToObj(k -> "'" + name + k + "':" + type)
            .collect(Collectors.joining(",", "{", "}"));
    return IntStream.range(0, functions)
        .mapToObj(k ->
            "{'type':'function','function':{'name':'f"
                + k
                + "','parameters':{'type':'object','properties':"
                + properties
                + "}}}")
        .collect(Collectors.joining(",", "'tools':[", "],'tool_choice':'required'"));
  }

  private static String grammar(String tools) throws Exception {
    return ToolGrammar.of(ToolForm.HERMES, tools(tools), Effort.alone());
  }

  @Test
  void manyToolsOfManyParametersAreAllHeldTo() throws Exception {
    String type = "{'type':'string','description':'" + "what it is ".repeat(5) + "'}";
    assertThat(grammar(many(60, 30, "parameter_", type)))
        .contains("tool0 ::= \"{\" ", "tool59 ::= \"{\" ")
        .doesNotContain("::= any-object\n");
  }

  /// llama.cpp writes repetitions out: little text may be a large grammar.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '@',
      textBlock =
          """
          125 | 125 | {}
          40 | 5 | {'type':'string','maxLength':1000}
          40 | 5 | {'type':'array','items':{'type':'null'},'maxItems':1000}
          """)
  void whatIsTooLargeForOneGrammarIsAnyObjectTheLargestFirst(
      int functions, int parameters, String type) throws Exception {
    String small =
        "{'type':'function','function':{'name':'small','parameters':"
            + "{'type':'object','properties':{'a':{'type':'null'}}}}},";
    String tools = many(functions, parameters, "p", type);
    String made = grammar(tools.replaceFirst("\\[", "[" + small));
    assertThat(JsonRules.weight(made)).isLessThanOrEqualTo(SchemaGrammar.MAX_WEIGHT);
    assertThat(made).contains("tool0 ::= \"{\" ", "::= any-object\n");
    assertThat(made.split("::= any-object\n", -1)).hasSizeLessThan(functions);
  }

  @Test
  void whatIsStrictAndTooLargeForOneGrammarIsRefusedByItsField() {
    String strict =
        many(125, 125, "p", "{}").replace("'parameters':", "'strict':true,'parameters':");
    assertThatThrownBy(() -> grammar(strict))
        .isInstanceOfSatisfying(ApiError.class, e -> assertThat(e.status()).isEqualTo(400))
        .message()
        .matches(
            "tools: a grammar of \\d+ characters, repetitions written out \\(expected: schemas that make"
                + " one of at most 1000000\\)");
  }

  @Test
  void repetitionsWeighMoreThanTheyAreLong() {
    assertThat(JsonRules.weight("root ::= char{0,1000}")).isGreaterThan(12_000);
    assertThat(JsonRules.weight("root ::= char{7}")).isEqualTo(16 + 7 * 12);
    assertThat(JsonRules.weight("root ::= char{7,}")).isEqualTo(17 + 7 * 12);
    assertThat(JsonRules.weight("root ::= \"x{0,1000}\" [{9}]")).isEqualTo(26);
  }
}
