package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.babysitter.BabysitterProgram;
import org.infinilm.svc.engine.EngineProgram;
import org.infinilm.svc.registry.RegistryProgram;
import org.infinilm.svc.router.RouterProgram;
import org.infinilm.svc.simulator.SimulateProgram;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AskedTest {
  private static final Inherited READ =
      new Inherited(
          List.of(
              RegistryProgram.PROGRAM,
              RouterProgram.PROGRAM,
              BabysitterProgram.PROGRAM,
              EngineProgram.PROGRAM,
              SimulateProgram.PROGRAM),
          UpProgram.PROGRAM);

  private static final Asked RUNNING =
      asked(
          Map.of("host", "127.0.0.1", "registry_port", "18000", "threshold", "40000"),
          Map.of(),
          Map.of("PROXY_TIMEOUT_SECONDS", "60", "PATH", "/bin"));

  private static Asked asked(
      Map<String, String> settings, Map<String, String> secrets, Map<String, String> env) {
    return Asked.of(settings, secrets, READ.of(env));
  }

  private static Asked asked(Map<String, String> env) {
    return asked(Map.of(), Map.of(), env);
  }

  @Test
  void whoAsksForNothingElseIsToldNothing() {
    assertThat(asked(Map.of()).besides(RUNNING)).isEmpty();
    assertThat(
            asked(Map.of("threshold", "40000"), Map.of(), Map.of("PATH", "/other"))
                .besides(RUNNING))
        .isEmpty();
  }

  @Test
  void whatDiffersIsNamedWithBothValues() {
    Asked now =
        asked(
            Map.of("registry_port", "18001", "policy", "adaptive"),
            Map.of(),
            Map.of("PROXY_TIMEOUT_SECONDS", "5", "CACHE_TYPE_ROUTING_THRESHOLD", "7"));
    assertThat(now.besides(RUNNING))
        .containsExactly(
            "policy: it runs with its default, you asked for adaptive",
            "PROXY_TIMEOUT_SECONDS: it runs with 60, you asked for 5",
            "registry_port: it runs with 18000, you asked for 18001",
            "CACHE_TYPE_ROUTING_THRESHOLD: it runs with 40000, you asked for 7");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318",
        "OTEL_SERVICE_NAME=other",
        "INFINI_TRACE_SAMPLE=0.5",
        "INFINI_HEALTH_INTERVAL=7",
        "MODEL1_DIR=/models/a",
        "INFINI_HISTORY_DAYS=3",
        "INFINI_LLAMA_SERVER=/opt/llama-server",
        "CACHE_TYPE_ROUTING_METRIC=tokens",
        "INFINI_VECTORS=0"
      })
  void whateverAPartReadsIsNamed(String variable) {
    String[] v = variable.split("=", 2);
    assertThat(asked(Map.of(v[0], v[1])).besides(RUNNING))
        .containsExactly(v[0] + ": it runs with its default, you asked for " + v[1]);
    assertThat(asked(Map.of(v[0], v[1])).besides(asked(Map.of(v[0], v[1])))).isEmpty();
  }

  /// The same by another name, another spelling or as the default; and what no part reads, or what
  /// `infini up` reads itself and has among its settings.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "CACHE_TYPE_ROUTING_THRESHOLD=40000",
        "INFINI_PROXY_TIMEOUT=60",
        "PROXY_TIMEOUT_SECONDS=60.0",
        "INFINI_TRACE_SAMPLE=1",
        "OTEL_SERVICE_NAME=infini-router",
        "INFINI_ROUTER_PORT=8000",
        "INFINI_SIMULATE=true",
        "INFINI_HOST=127.0.0.1",
        "INFINI_TLS_CERT=/tls/cert.pem",
        "INFINI_DETACH=true",
        "INFINI_URL=http://127.0.0.1:8000",
        "INFINI_HOME=/checkout",
        "INFINI_NO_BUILD=1",
        "INFINI_LOG_FILE=/x",
        "INFINI_REGISTRY_TOKEN=t"
      })
  void whatIsTheSameOrReadByNoPartIsNotNamed(String variable) {
    String[] v = variable.split("=", 2);
    assertThat(asked(Map.of(v[0], v[1])).besides(RUNNING)).isEmpty();
  }

  @Test
  void ofSecretsAHashAloneIsKeptAndOfTheLaunchersOwnVariablesNothing() {
    Asked kept =
        asked(
                Map.of(),
                Map.of("token", "s3cret-9"),
                Map.of(
                    "INFINI_ADMIN_TOKEN", "s3cret",
                    "INFINI_HOME", "/checkout",
                    "INFINI_NO_BUILD", "1",
                    "INFINI_TRANSPORT", "nio"))
            .sealed("5a17");
    assertThat(kept.values()).containsOnlyKeys("INFINI_ADMIN_TOKEN", "transport", "token");
    assertThat(kept.values().get("token")).matches("sealed:5a17:[0-9a-f]{64}");
    assertThat(kept.toString() + kept.secrets()).doesNotContain("s3cret");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "INFINI_OTLP_HEADERS"
      })
  void fieldsForAReceiverOfTracesAreSecrets(String variable) {
    Asked kept = asked(Map.of(variable, "api-key=s3cret")).sealed("5a17");
    assertThat(kept.values().get(variable)).startsWith("sealed:");
    assertThat(kept.toString()).doesNotContain("s3cret");
    assertThat(asked(Map.of(variable, "api-key=s3cret")).besides(kept)).isEmpty();
    assertThat(asked(Map.of(variable, "api-key=other")).besides(kept))
        .containsExactly(variable + ": it runs with another than you asked for");
  }

  @Test
  void secretsThatDifferAreNamedWithoutTheirValues() {
    Map<String, String> env = Map.of("INFINI_ADMIN_TOKEN", "adm-1");
    Asked running =
        asked(Map.of("host", "h"), Map.of("token", "tok-1", "content of config x", "a=1"), env)
            .sealed("5a17");
    assertThat(
            asked(Map.of(), Map.of("token", "tok-1", "content of config x", "a=1"), env)
                .besides(running))
        .isEmpty();
    assertThat(asked(Map.of()).besides(running)).as("not asked for now").isEmpty();
    assertThat(
            asked(
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
