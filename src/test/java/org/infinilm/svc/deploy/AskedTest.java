package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class AskedTest {
  private static final Asked RUNNING =
      Asked.of(
          Map.of("host", "127.0.0.1", "registry_port", "18000", "threshold", "51200"),
          Map.of(),
          Map.of("PROXY_TIMEOUT_SECONDS", "60", "PATH", "/bin"));

  @Test
  void whoAsksForNothingElseIsToldNothing() {
    assertThat(Asked.of(Map.of(), Map.of(), Map.of()).besides(RUNNING)).isEmpty();
    assertThat(
            Asked.of(Map.of("threshold", "51200"), Map.of(), Map.of("PATH", "/other"))
                .besides(RUNNING))
        .isEmpty();
  }

  @Test
  void whatDiffersIsNamedWithBothValues() {
    Asked now =
        Asked.of(
            Map.of("threshold", "10240", "policy", "adaptive"),
            Map.of(),
            Map.of("PROXY_TIMEOUT_SECONDS", "5", "CACHE_TYPE_ROUTING_THRESHOLD", "7"));
    assertThat(now.besides(RUNNING))
        .containsExactly(
            "CACHE_TYPE_ROUTING_THRESHOLD: it runs with its default, you asked for 7",
            "PROXY_TIMEOUT_SECONDS: it runs with 60, you asked for 5",
            "policy: it runs with its default, you asked for adaptive",
            "threshold: it runs with 51200, you asked for 10240");
  }

  @Test
  void ofSecretsAHashAloneIsKeptAndOfTheLaunchersOwnVariablesNothing() {
    Asked kept =
        Asked.of(
                Map.of(),
                Map.of("token", "s3cret-9"),
                Map.of(
                    "INFINI_ADMIN_TOKEN", "s3cret",
                    "INFINI_HOME", "/checkout",
                    "INFINI_NO_BUILD", "1",
                    "INFINI_TRANSPORT", "nio"))
            .sealed("5a17");
    assertThat(kept.values()).containsOnlyKeys("INFINI_ADMIN_TOKEN", "INFINI_TRANSPORT", "token");
    assertThat(kept.values().get("token")).matches("sealed:5a17:[0-9a-f]{64}");
    assertThat(kept.toString() + kept.secrets()).doesNotContain("s3cret");
  }

  @Test
  void theVariablesOfTracesCountAndTheirFieldsAreSecrets() {
    Map<String, String> env =
        Map.of(
            "OTEL_SERVICE_NAME", "front",
            "OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=s3cret",
            "INFINI_OTLP_HEADERS", "api-key=s3cret");
    Asked kept = Asked.of(Map.of(), Map.of(), env).sealed("5a17");
    assertThat(kept.values()).containsEntry("OTEL_SERVICE_NAME", "front").hasSize(4);
    assertThat(kept.toString()).doesNotContain("s3cret");
    Asked other =
        Asked.of(Map.of(), Map.of(), Map.of("OTEL_EXPORTER_OTLP_HEADERS", "api-key=other"));
    assertThat(other.besides(kept))
        .containsExactly("OTEL_EXPORTER_OTLP_HEADERS: it runs with another than you asked for");
  }

  @Test
  void secretsThatDifferAreNamedWithoutTheirValues() {
    Map<String, String> env = Map.of("INFINI_ADMIN_TOKEN", "adm-1");
    Asked running =
        Asked.of(Map.of("host", "h"), Map.of("token", "tok-1", "content of config x", "a=1"), env)
            .sealed("5a17");
    assertThat(
            Asked.of(Map.of(), Map.of("token", "tok-1", "content of config x", "a=1"), env)
                .besides(running))
        .isEmpty();
    assertThat(Asked.of(Map.of(), Map.of(), Map.of()).besides(running))
        .as("not asked for now")
        .isEmpty();
    assertThat(
            Asked.of(
                    Map.of(),
                    Map.of("token", "tok-2", "content of config x", "a=2", "read_token", "r"),
                    Map.of("INFINI_ADMIN_TOKEN", "adm-2"))
                .besides(running))
        .containsExactly(
            "INFINI_ADMIN_TOKEN: it runs with another than you asked for",
            "content of config x: it runs with another than you asked for",
            "read_token: it runs without, you asked for one",
            "token: it runs with another than you asked for");
  }
}
