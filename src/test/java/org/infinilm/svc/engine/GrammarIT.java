package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// llama.cpp's grammar sampler with the grammars written here: answers of random logits, so that
/// every way through a grammar is taken.
class GrammarIT {
  private static final int ANSWERS = 30;
  private static final int MOST_TOKENS = 400;

  @TempDir private static Path folder;
  private static NativeLlama llama;
  private static TokenTable table;

  @BeforeAll
  static void load() throws Exception {
    Path file = GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 7, null);
    llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file);
    table = new TokenTable(llama.vocabulary());
  }

  @AfterAll
  static void close() {
    llama.close();
  }

  private static String grammar(String format) throws Exception {
    JsonNode root =
        Json.tree(
            ("{'response_format':" + format + "}")
                .replace('\'', '"')
                .getBytes(StandardCharsets.UTF_8));
    String g = ResponseFormat.grammar(root, Effort.alone());
    return g == null ? "" : g;
  }

  private static String schema(String schema) throws Exception {
    return grammar("{'type':'json_schema','json_schema':{'schema':" + schema + "}}");
  }

  /// One answer of random logits; null when it did not end.
  private static String answer(String gbnf, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Sampling hot = new Sampling(1, 0, 1, 0, seed, List.of(), false);
    AnswerText text = new AnswerText(List.of());
    try (Sampler sampler =
        new Sampler(hot, table.ends(), new int[0], llama.vocabulary().grammar(gbnf))) {
      for (int n = 0; n < MOST_TOKENS; n++) {
        float[] logits = new float[table.size()];
        for (int i = 0; i < logits.length; i++) {
          logits[i] = (float) random.nextDouble(-4, 4) + (i < 256 ? 1 : 0);
        }
        int token = sampler.next(logits);
        assertThat(token).isNotEqualTo(Sampler.NOTHING_FITS);
        if (table.isEnd(token)) {
          text.end();
          return text.take(true).text();
        }
        text.add(table.piece(token), null);
      }
    }
    return "";
  }

  private static int ended(String gbnf, java.util.function.Consumer<JsonNode> check)
      throws Exception {
    int ended = 0;
    for (int seed = 0; seed < ANSWERS; seed++) {
      String text = answer(gbnf, seed);
      if (!text.isEmpty()) {
        ended++;
        JsonNode json = Json.tree(text.getBytes(StandardCharsets.UTF_8));
        assertThat(json.isMissingNode()).as(text).isFalse();
        check.accept(json);
      }
    }
    return ended;
  }

  @Test
  void theCommonShapesOfASchemaAreKept() throws Exception {
    String person =
        "{'type':'object','properties':{'name':{'type':'string','maxLength':8},"
            + "'age':{'type':'integer'},'tags':{'type':'array','items':{'enum':['a','b','Zürich € 😀']},"
            + "'minItems':1,'maxItems':3},'kind':{'const':'per\\n\\\"son'},'when':{'type':'string','format':'date-time'},"
            + "'more':{'anyOf':[{'type':'null'},{'type':'boolean'}]}},'required':['age','tags'],"
            + "'additionalProperties':false}";
    int ended =
        ended(
            schema(person),
            json -> {
              assertThat(json.path("age").isIntegralNumber()).isTrue();
              assertThat(json.path("tags").size()).isBetween(1, 3);
              json.path("tags").forEach(t -> assertThat(t.asText()).isIn("a", "b", "Zürich € 😀"));
              assertThat(
                      json.path("name")
                          .asText()
                          .codePointCount(0, json.path("name").asText().length()))
                  .isLessThanOrEqualTo(8);
              if (json.has("kind")) {
                assertThat(json.path("kind").asText()).isEqualTo("per\n\"son");
              }
              if (json.has("when")) {
                assertThat(java.time.OffsetDateTime.parse(json.path("when").asText())).isNotNull();
              }
              if (json.has("more")) {
                assertThat(json.path("more").isNull() || json.path("more").isBoolean()).isTrue();
              }
              assertThat(List.of("name", "age", "tags", "kind", "when", "more"))
                  .containsAll(json.propertyStream().map(e -> e.getKey()).toList());
            });
    assertThat(ended).isEqualTo(ANSWERS);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'type':'integer'}",
        "{'type':'number'}",
        "{'type':['boolean','null']}",
        "{'type':'string','format':'uuid'}",
        "{'type':'string','format':'time'}",
        "{'type':'object','properties':{'a':{'type':'null'},'b':{'type':'null'},'c':{'type':'null'}}}",
        "{'type':'object','additionalProperties':false}",
        "{'required':['x'],'properties':{'x':{'type':'integer'}}}",
        "{'enum':[{'a':[1,2]},[],'',null]}",
        "{'$ref':'#/$defs/n','$defs':{'n':{'type':'object','properties':{'next':{'anyOf':[{'$ref':'#/$defs/n'},{'type':'null'}]}},'required':['next']}}}"
      })
  void everyAnswerThatEndsIsJson(String schema) throws Exception {
    assertThat(ended(schema(schema), json -> {})).isGreaterThan(ANSWERS / 2);
  }

  /// Tokens below a rejected one are not asked for; the answer is that of asking for each.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'type':'object','properties':{'the':{'type':'integer'},'then':{'enum':['ab','abc','Zü','€']}}}",
        "{'type':'string','format':'date-time'}",
        "{'type':'array','items':{'type':['number','boolean']}}",
        "{}"
      })
  void theFilterSaysOfEachTokenWhatAskingForItSays(String schema) throws Exception {
    SplittableRandom random = new SplittableRandom(5);
    for (int answer = 0; answer < 5; answer++) {
      try (Grammar grammar = llama.vocabulary().grammar(schema(schema))) {
        for (int n = 0; n < 30; n++) {
          float[] logits = new float[table.size()];
          grammar.filter(logits);
          List<Integer> fit = new java.util.ArrayList<>();
          for (int token = 0; token < logits.length; token++) {
            boolean left = logits[token] != Float.NEGATIVE_INFINITY;
            assertThat(left).as("token %s", token).isEqualTo(grammar.allows(token));
            if (left && !table.isEnd(token)) {
              fit.add(token);
            }
          }
          if (fit.isEmpty()) {
            break;
          }
          grammar.accept(fit.get(random.nextInt(fit.size())));
        }
      }
    }
  }

  @Test
  void anObjectIsJsonWhenItEnds() throws Exception {
    assertThat(
            ended(grammar("{'type':'json_object'}"), json -> assertThat(json.isObject()).isTrue()))
        .isPositive();
  }

  @Test
  void aGrammarThatGoesNowhereIsRefused() throws Exception {
    String endless = schema("{'$ref':'#'}");
    assertThatThrownBy(() -> llama.vocabulary().grammar(endless))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("llama.cpp does not take its grammar");
    assertThatThrownBy(() -> llama.vocabulary().grammar("root ::= \"a"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
