package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Models under other names.
class AliasIT {
  private static final String ASK = "{\"messages\":[],\"model\":\"gpt-4\"}";

  @Test
  void anAliasGoesToItsModelUnderTheModelsNameAtEveryAttempt() throws Exception {
    try (Rig rig = new Rig()) {
      rig.instance(
          "a",
          (self, t) -> {
            self.take(t);
            t.reset();
          });
      rig.good("b");
      rig.start("aliases=gpt-4=m");
      for (int k = 0; k < 6; k++) {
        assertThat(rig.send(Rig.post(Rig.CHAT, "", ASK)).toString()).contains("200");
        assertThat(rig.send(Rig.post(Rig.CHAT, "", Rig.BODY)).toString()).contains("200");
      }
      for (ScriptedInstance i : rig.instances) {
        assertThat(i.seen).isNotEmpty();
        assertThat(i.seen)
            .allMatch(r ->
                r.endsWith("\r\n\r\n{\"messages\":[],\"model\":\"m\"}") || r.endsWith(Rig.BODY));
        assertThat(i.seen).filteredOn(r -> r.contains("[],\"model\"")).isNotEmpty();
      }
      assertThat(rig.decision().path("model").asText()).isEqualTo("m");
      List<String> listed = rig.get("/v1/models").path("data").findValuesAsText("id");
      assertThat(listed).contains("m", "gpt-4");
      assertThat(rig.get("/v1/models/gpt-4").path("id").asText()).isEqualTo("gpt-4");
      rig.quiet();
    }
  }

  @Test
  void aModelOnOfferUnderTheVeryNameWinsOverAnAlias() throws Exception {
    try (Rig rig = new Rig()) {
      rig.good("a");
      rig.start("aliases=m=other");
      assertThat(rig.chat().status()).isEqualTo(200);
      assertThat(rig.instances.getFirst().seen).allMatch(r -> r.endsWith(Rig.BODY));
    }
  }

  @Test
  void aModelThatNobodyOffersIs404WithTheNearestNameOr503WhereAskedFor() throws Exception {
    for (String status : List.of("404", "503")) {
      try (Rig rig = new Rig()) {
        rig.good("a");
        rig.start("unknown_model_status=" + status, "aliases=mistral=gone");
        for (String model : List.of("mm", "mistral")) {
          String said =
              rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"" + model + "\"}")).toString();
          assertThat(said)
              .contains(status)
              .contains(status.equals("404") ? "model_not_found" : "model_not_available")
              .containsIgnoringCase("x-should-retry: false")
              .contains("models on offer: m");
        }
        assertThat(rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"mm\"}")).toString())
            .contains("did you mean \\\"m\\\"?");
        JsonNode d = rig.decision();
        assertThat(d.path("status").asInt()).isEqualTo(Integer.parseInt(status));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"gpt-4", "=m", "gpt-4=", "a=b;a=c", "a=b;b=a", "a=b;b=c"})
  void aliasesThatAreNoneAreNamed(String given) {
    Map<String, String> flags = Map.of("aliases", given.replace(';', ','));
    assertThatThrownBy(
            () -> RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null)))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("--aliases: ")
        .hasMessageContaining("(expected: ");
  }
}
