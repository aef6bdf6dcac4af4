package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Schemas as grammars; that llama.cpp follows them is GrammarIT's matter.
class SchemaGrammarTest {
  private static JsonNode json(String text) throws Exception {
    return Json.tree(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
  }

  private static String grammar(String format) throws Exception {
    String g = ResponseFormat.grammar(json("{'response_format':" + format + "}"), Effort.alone());
    return g == null ? "" : g;
  }

  private static String schema(String schema) throws Exception {
    return grammar("{'type':'json_schema','json_schema':{'name':'n','schema':" + schema + "}}");
  }

  @Test
  void textHasNoGrammarAndAnyObjectHasTheWholeOfJson() throws Exception {
    assertThat(grammar("null")).isEmpty();
    assertThat(grammar("{'type':'text'}")).isEmpty();
    assertThat(grammar("{'type':'json_object'}"))
        .startsWith("root ::= any-object\n")
        .contains("\nany-array ::= ", "\nvalue ::= ", "\nws ::= ", "\nhex ::= ")
        .doesNotContain("uuid", "date");
  }

  @Test
  void onlyTheRulesThatAreNeededAreThere() throws Exception {
    assertThat(schema("{'type':'integer'}"))
        .isEqualTo("root ::= integer\ninteger ::= \"-\"? (\"0\" | [1-9] [0-9]{0,14})\n");
    assertThat(schema("{'enum':['a\\\\b',1.5,null]}"))
        .isEqualTo("root ::= \"\\\"a\\\\\\\\b\\\"\" | \"1.5\" | \"null\"\n");
  }

  @Test
  void arraysCountTheirItems() throws Exception {
    assertThat(schema("{'type':'array','items':{'type':'null'},'minItems':2,'maxItems':4}"))
        .startsWith("root ::= \"[\" ws s1 (\",\" ws s1){1,3} ws \"]\"\ns1 ::= null\n");
    assertThat(schema("{'type':'array','items':{'type':'null'},'minItems':3}"))
        .startsWith("root ::= \"[\" ws s1 (\",\" ws s1){2,} ws \"]\"\n");
    assertThat(schema("{'type':'array','items':{'type':'null'}}"))
        .startsWith("root ::= \"[\" ws (s1 (\",\" ws s1)* ws)? \"]\"\n");
    assertThat(schema("{'type':'array','maxItems':0}")).startsWith("root ::= \"[\" ws \"]\"\n");
    assertThat(schema("{'type':'string','minLength':1,'maxLength':3}"))
        .startsWith("root ::= \"\\\"\" char{1,3} \"\\\"\"\n");
  }

  @Test
  void aRecursionIsARuleThatNamesItself() throws Exception {
    assertThat(schema("{'type':'array','items':{'$ref':'#'}}")).contains("s1 ::= root\n");
    assertThat(
            schema(
                "{'$ref':'#/$defs/node','$defs':{'node':{'type':'array','items':{'$ref':'#/$defs/node'}}}}"))
        .contains("root ::= r1\n", "s2 ::= r1\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {'type':'string','pattern':'a+'}      | schema: keyword pattern (expected: one of $ref, additionalProperties, allOf, anyOf, const, enum, format, items, maxItems, maxLength, minItems, minLength, oneOf, properties, required, type)
          {'properties':{'a':{'minimum':1}}}    | schema/properties/a: keyword minimum (expected: one of $ref
          {'type':'strin'}                      | schema/type: strin (expected: array, boolean, integer, null, number, object, string)
          {'type':'string','format':'email'}    | schema/format: email (expected: one of date, date-time, time, uuid)
          {'minItems':3,'maxItems':2}           | schema/minItems: 3 (expected: at most maxItems, 2)
          {'maxItems':1001}                     | schema/maxItems: 1001 (expected: a whole number 0..1000)
          {'anyOf':[]}                          | schema/anyOf: a list of 0 (expected: a list of schemas)
          {'allOf':[{},{}]}                     | schema/allOf: a list of 2 (expected: a list of one schema)
          {'anyOf':[{}],'type':'object'}        | schema: anyOf and type (expected: anyOf alone)
          {'$ref':'#/nowhere'}                  | schema/$ref: #/nowhere (expected: a place that is there)
          {'$ref':'http://x/y'}                 | schema/$ref: a string (expected: a place in this schema, #/...)
          {'items':false}                       | schema/items: false (expected: a schema)
          {'enum':[],'type':'string'}           | schema/enum: no value of the type (expected: at least one)
          {'required':'a','type':'object'}      | schema/required: a string (expected: a list of names)
          {'properties':5}                      | schema/properties: 5 (expected: an object)
          {'properties':{'a':{}},'additionalProperties':{}} | schema/additionalProperties: a schema beside properties (expected: true or false)
          {'anyOf':[{'items':{'$ref':'#'},'type':'array'},{'type':'array','items':{'$ref':'#'}}]} | schema: a recursion through alternatives that begin alike (expected: alternatives of different types)
          """)
  void whatCannotBeHonouredIsNamed(String schema, String message) {
    assertThatThrownBy(() -> schema(schema))
        .isInstanceOf(ApiError.class)
        .hasMessageStartingWith("response_format.json_schema." + message);
  }

  @Test
  void largeSchemasAreRefused() {
    String deep = "{'items':".repeat(70) + "{}" + "}".repeat(70);
    assertThatThrownBy(() -> schema(deep)).hasMessageContaining("more than 64 levels");
    String alike = "{'anyOf':[{'type':'object','properties':{'a':".repeat(8);
    String closed = "{}" + "}},{'type':'object'}]}".repeat(8);
    assertThatThrownBy(() -> schema(alike + closed)).hasMessageContaining("begin alike");
    assertThatThrownBy(() -> schema("{'anyOf':[" + "{},".repeat(300) + "{}]}"))
        .hasMessageContaining("more than 200 alternatives");
    assertThatThrownBy(() ->
            schema(
                "{'properties':{'a':{'minLength':1000},'b':{'minLength':1000},'c':{'minLength':1000},"
                    + "'d':{'minLength':1000},'e':{'minLength':1000},'f':{'minLength':1000}}}"))
        .hasMessageContaining("too many repetitions");
  }

  /// Without a limit of its own the first of them is walked for months.
  @Test
  @Timeout(60)
  void alternativesThatNameEachOtherAreReadOnce() {
    for (int alternatives : List.of(200, 60, 30)) {
      String self = "{'$ref':'#/$defs/a'},".repeat(alternatives);
      String schema =
          "{'$defs':{'a':{'anyOf':["
              + self.substring(0, self.length() - 1)
              + "]}},'$ref':'#/$defs/a'}";
      assertThatThrownBy(() -> schema(schema)).hasMessageContaining("begin alike");
    }
  }

  /// A list of values is met again with each reference to it.
  @Test
  void theValuesOfAnEnumAreWrittenAsTextOnceForItsWaysAndOnceForTheGrammar() throws Exception {
    AtomicInteger written = new AtomicInteger();
    StringBuilder references = new StringBuilder();
    StringBuilder names = new StringBuilder();
    for (int i = 0; i < 900; i++) {
      references.append(i == 0 ? "" : ",").append("'p" + i + "':{'$ref':'#/$defs/a'}");
      names.append(i == 0 ? "" : ",").append("'p" + i + "'");
    }
    JsonNode schema =
        json(
            "{'$defs':{'a':{'enum':[]}},'type':'object','properties':{"
                + references
                + "},'required':["
                + names
                + "]}");
    ((ArrayNode) schema.path("$defs").path("a").path("enum"))
        .add(
            new TextNode("x".repeat(50_000)) {
              @Override
              public String toString() {
                written.incrementAndGet();
                return super.toString();
              }
            });
    assertThat(SchemaGrammar.of(schema, Effort.alone())).contains("x".repeat(50_000));
    assertThat(written).hasValue(2);
  }

  @Test
  void aLongValueTakesStepsByItsLengthAndOthersHaveTheirTurnBesideIt() throws Exception {
    AtomicInteger turns = new AtomicInteger();
    Effort effort = new Effort(() -> false, turns::incrementAndGet);
    JsonNode schema = json("{'enum':['" + "x".repeat(256 * 600) + "']}");
    assertThat(SchemaGrammar.of(schema, effort)).contains("xxx");
    assertThat(turns).as("1,200 steps, a look each 1,024").hasValue(1);
    effort.schema(Effort.MOST_SCHEMA_STEPS - 1800);
    assertThatThrownBy(() -> SchemaGrammar.of(schema, effort))
        .hasMessageContaining("takes more than 100000 steps to read");
  }

  @Test
  void whatARequestsSchemasTakeTogetherIsBounded() throws Exception {
    Effort effort = Effort.alone();
    effort.schema(Effort.MOST_SCHEMA_STEPS - 1);
    JsonNode small = json("{'properties':{'a':{'type':'null'}}}");
    assertThatThrownBy(() -> SchemaGrammar.of(small, effort))
        .hasMessage(
            "response_format.json_schema.schema: takes more than 100000 steps to read (expected:"
                + " smaller schemas, or fewer references and alternatives)");
    assertThat(SchemaGrammar.of(small, Effort.alone())).startsWith("root ::= ");
  }

  private static String optional(int count) {
    StringBuilder out = new StringBuilder("{'type':'object','properties':{");
    for (int i = 0; i < count; i++) {
      out.append(i == 0 ? "" : ",").append("'p%04d':{'type':'null'}".formatted(i));
    }
    return out.append("}").toString();
  }

  @Test
  void theWaysToGoOnAtOnePlaceAreBounded() throws Exception {
    assertThat(schema(optional(127) + "}")).contains("p0126");
    assertThatThrownBy(() -> schema(optional(128) + "}"))
        .hasMessageContaining("more than 128 ways to go on at one place")
        .hasMessageContaining("(expected: at most 128)");
    assertThat(schema(optional(400) + ",'required':['p0100','p0200','p0300']}")).contains("p0399");
    assertThatThrownBy(() -> schema("{'anyOf':[" + optional(63) + "}," + optional(64) + "}]}"))
        .hasMessageContaining("more than 128 ways");
    StringBuilder alike = new StringBuilder();
    StringBuilder others = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      alike.append(i == 0 ? "" : ",").append("'%s%04d'".formatted("a".repeat(40), i));
      others.append(i == 0 ? "'" : ",'").appendCodePoint(0x4E00 + i).append("x'");
    }
    assertThat(schema("{'enum':[" + alike + "]}")).contains("a".repeat(40));
    assertThatThrownBy(() -> schema("{'enum':[" + others + "]}"))
        .hasMessageContaining("more than 128 ways");
  }

  @Test
  void aLongTextIsALiteral() throws Exception {
    String text = "x\\\\y".repeat(20_000);
    assertThat(schema("{'const':'" + text + "'}")).hasSizeGreaterThan(text.length());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {'type':'xml'}         | response_format.type: xml (expected: text, json_object or json_schema)
          {}                     | response_format.type: missing (expected: text, json_object or json_schema)
          'json'                 | response_format.type: missing (expected: text, json_object or json_schema)
          {'type':'json_schema'} | response_format.json_schema.schema: missing (expected: a JSON schema)
          """)
  void otherFormsAreRefused(String format, String message) {
    assertThatThrownBy(() -> grammar(format)).isInstanceOf(ApiError.class).hasMessage(message);
  }
}
