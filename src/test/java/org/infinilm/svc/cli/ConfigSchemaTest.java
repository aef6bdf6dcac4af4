package org.infinilm.svc.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.Key;
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
    RouterProgram.check(c);
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
            JsonNode inner = schema.path("properties").path(e.getKey());
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
  void aProgramWithoutAFileIsNamed() {
    assertThatThrownBy(() -> schema("ruoter"))
        .hasMessageStartingWith(
            "config schema: ruoter (did you mean \"router\"?) (expected: one of ");
  }
}
