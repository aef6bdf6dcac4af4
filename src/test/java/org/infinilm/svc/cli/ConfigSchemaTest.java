package org.infinilm.svc.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.router.RouterProgram;
import org.junit.jupiter.api.Test;

class ConfigSchemaTest {
  private static final Path EXAMPLE = Path.of("docs/router.toml");

  private static JsonNode schema(String program) throws Exception {
    return Json.tree(Json.bytes(ConfigSchema.of(program, Main.PROGRAMS)));
  }

  @Test
  void everyKeyOfAFileIsInItsSchema() throws Exception {
    for (var p : Main.PROGRAMS) {
      if (p.takesFile()) {
        JsonNode properties = schema(p.name()).path("properties");
        for (Key<?> k : p.keys()) {
          assertThat(properties.path(k.name()).path("description").asText())
              .as(p.name() + " " + k.name())
              .isEqualTo(k.doc());
        }
      }
    }
    JsonNode router = schema("router").path("properties");
    assertThat(router.path("router_port").path("maximum").asInt()).isEqualTo(65535);
    assertThat(router.path("router_port").path("default").asInt()).isEqualTo(8080);
    assertThat(router.path("policy").path("enum").toString()).contains("adaptive");
    assertThat(router.path("decision_headers").path("default").isBoolean()).isTrue();
    assertThat(router.path("keys").path("items").path("required").toString())
        .isEqualTo("[\"name\",\"hash\"]");
  }

  @Test
  void theExampleFitsItsSchemaAndIsInForceAsItStands() throws Exception {
    JsonNode schema = schema("router");
    JsonNode file = Json.tree(Json.bytes(TomlFile.read(EXAMPLE).plain()));
    fits(file, schema, "");
    Config c = Config.resolve(RouterProgram.PROGRAM.keys(), Map.of(), Map.of(), EXAMPLE);
    Wrongs wrong = new Wrongs();
    RouterProgram.PROGRAM.check().check(new Program.Args(c, Map.of(), List.of(), Map.of()), wrong);
    wrong.end();
  }

  /// As far as the schemas made here go.
  private static void fits(JsonNode value, JsonNode schema, String at) {
    if (schema.has("anyOf")) {
      return;
    }
    if (schema.has("enum")) {
      assertThat(schema.path("enum")).as(at).contains(value);
    }
    String type = schema.path("type").toString();
    String is =
        value.isObject()
            ? "object"
            : value.isArray()
                ? "array"
                : value.isBoolean()
                    ? "boolean"
                    : value.isIntegralNumber() ? "integer" : value.isNumber() ? "number" : "string";
    assertThat(
            type.isEmpty()
                || type.contains(is)
                || (is.equals("integer") && type.contains("number")))
        .as(at + " is " + is + ", expected " + type)
        .isTrue();
    if (value.isObject()) {
      value
          .properties()
          .forEach(e -> {
            JsonNode others = schema.path("additionalProperties");
            JsonNode named = schema.path("properties").path(e.getKey());
            JsonNode inner = named.isMissingNode() && others.isObject() ? others : named;
            if (inner.isMissingNode() && !schema.has("additionalProperties")) {
              return;
            }
            assertThat(inner.isMissingNode()).as(at + "." + e.getKey()).isFalse();
            fits(e.getValue(), inner, at + "." + e.getKey());
          });
      for (JsonNode r : schema.path("required")) {
        assertThat(value.has(r.asText())).as(at + "." + r.asText()).isTrue();
      }
    }
    for (JsonNode e : value.isArray() ? value : List.<JsonNode>of()) {
      fits(e, schema.path("items"), at + "[]");
    }
  }

  @Test
  void theShippedFilesOfBabysittersFitTheirSchema() throws Exception {
    JsonNode schema = schema("babysitter");
    List<Path> files = new ArrayList<>(List.of(Path.of("deployment/debian/example.toml")));
    try (Stream<Path> cases = Files.walk(Path.of("deployment", "cases"))) {
      cases.filter(f -> f.toString().endsWith(".toml")).forEach(files::add);
    }
    assertThat(files).hasSizeGreaterThan(5);
    for (Path f : files) {
      fits(Json.tree(Json.bytes(TomlFile.read(f).plain())), schema, f.toString());
    }
  }

  @Test
  void aBabysittersFileHasItsTablesAndTheirKeysWithRangeAndDefault() throws Exception {
    JsonNode schema = schema("babysitter");
    JsonNode top = schema.path("properties");
    assertThat(schema.path("required").toString()).isEqualTo("[\"port\",\"backend\"]");
    assertThat(top.path("port").path("maximum").asInt()).isEqualTo(65534);
    JsonNode supervision = top.path("babysitter").path("properties");
    assertThat(supervision.path("restart_delay").path("default").asDouble()).isEqualTo(5);
    assertThat(supervision.path("on_demand").path("default").isBoolean()).isTrue();
    assertThat(supervision.path("probe").path("enum").toString()).contains("completion");
    JsonNode backend = top.path("backend");
    assertThat(backend.path("properties").path("type").path("enum").toString())
        .contains("\"vllm\"", "\"command\"", "\"engine\"");
    assertThat(backend.path("allOf").toString())
        .contains("\"required\":[\"command\"]", "\"required\":[\"model_path\"]");
    assertThat(top.has("metadata")).isTrue();
    for (JsonNode p : top) {
      assertThat(p.path("description").asText()).isNotEmpty();
    }
    Map<String, Object> wrong = Map.of("port", 1, "backend", Map.of("type", "comand"));
    assertThatThrownBy(() -> fits(Json.tree(Json.bytes(wrong)), schema, ""))
        .isInstanceOf(AssertionError.class);
  }

  @Test
  void aProgramWithoutAFileIsNamed() {
    assertThatThrownBy(() -> schema("ruoter"))
        .hasMessageStartingWith(
            "config schema: ruoter (did you mean \"router\"?) (expected: one of ");
  }
}
