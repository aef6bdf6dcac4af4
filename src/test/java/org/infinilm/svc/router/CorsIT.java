package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Web pages that ask the router.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class CorsIT {
  private static final String ALLOW = "access-control-allow-origin";

  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.answering(
        "a",
        (r, n) ->
            "HTTP/1.1 200 OK\r\nVary: Accept\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nok");
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
  }

  private Said ask(String line, String origin, String more) throws Exception {
    return rig.send(line + " HTTP/1.1\r\nHost: x\r\nOrigin: " + origin + "\r\n" + more + "\r\n");
  }

  @Test
  void pagesOfAListedOriginReadEveryAnswer() throws Exception {
    rig.start("cors_origins=http://ui:1, https://b");
    for (String line :
        List.of(
            "GET /g", "GET /livez", "GET /v1/models", "GET /a#b", "POST /v1/chat/completions")) {
      Said said = ask(line, "http://ui:1", "");
      assertThat(said.field(ALLOW)).as(line).isEqualTo("http://ui:1");
      assertThat(said.head().toLowerCase(Locale.ROOT)).contains("vary: origin");
      assertThat(said.field("access-control-expose-headers"))
          .contains("x-infini-pool", "x-infini-queue-ms");
    }
    Said other = ask("GET /livez", "http://evil", "");
    assertThat(other.field(ALLOW)).isEmpty();
    assertThat(other.field("vary")).isEqualTo("origin");
    assertThat(ask("GET /g", "http://evil", "").field(ALLOW)).as("the instance's *").isEmpty();
  }

  @Test
  void aPreflightIsAnsweredHere() throws Exception {
    rig.start("cors_origins=http://ui:1");
    String asks =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n";
    Said said = ask("OPTIONS /v1/chat/completions", "http://ui:1", asks);
    assertThat(said.status()).isEqualTo(204);
    assertThat(said.field(ALLOW)).isEqualTo("http://ui:1");
    assertThat(said.field("access-control-allow-headers")).isEqualTo("authorization,content-type");
    assertThat(said.field("access-control-allow-methods")).contains("POST");
    assertThat(rig.instances.getFirst().seen).isEmpty();
    assertThat(ask("OPTIONS /x", "http://evil", asks).status()).isEqualTo(200);
    assertThat(rig.instances.getFirst().seen).as("the instance's to answer").hasSize(1);
  }

  @Test
  void withoutTheSettingNothingIsSaid() throws Exception {
    rig.start();
    assertThat(ask("GET /livez", "http://ui:1", "").field(ALLOW)).isEmpty();
    assertThat(ask("GET /g", "http://ui:1", "").field(ALLOW)).isEqualTo("*");
    assertThat(ask("GET /g", "http://ui:1", "").field("vary")).isEqualTo("Accept");
  }

  @Test
  void whatIsNoOriginIsNamed() {
    for (String wrong : List.of("ui:1", "http://ui/", "http://a@b", "null")) {
      assertThatThrownBy(() ->
              RouterConfig.of(
                  Config.resolve(RouterConfig.KEYS, Map.of("cors_origins", wrong), Map.of(), null)))
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining(
              wrong.replace("a@", "...@") + " (expected: https://host[:port], or *)");
    }
  }
}
