package org.infinilm.svc.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LoadOptionsTest {
  private static LoadOptions options(
      String flags, List<String> headers, List<String> goodput, Map<String, String> env)
      throws ConfigException {
    Map<String, String> all = new HashMap<>();
    for (String f : flags.isBlank() ? new String[0] : flags.strip().split(" ")) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    return LoadOptions.of(
        Arguments.of(
            BenchProgram.PROGRAM, all, List.of(), Map.of("header", headers, "goodput", goodput)),
        env);
  }

  private static LoadOptions options(String flags) throws ConfigException {
    return options(flags, List.of(), List.of(), Map.of());
  }

  @ParameterizedTest
  @CsvSource({
    "'', all-at-once",
    "request_rate=inf, all-at-once",
    "request_rate=2, poisson",
    "request_rate=2 burstiness=0.5, gamma",
    "request_rate=2 arrival=constant, constant",
    "max_concurrency=4, closed",
    "request_rate=2 max_concurrency=4, poisson",
    "arrival=closed max_concurrency=4, closed",
    "arrival=replay, replay"
  })
  void theArrivalFollowsFromRateAndConcurrency(String flags, String arrival) throws Exception {
    assertThat(options(flags).arrivals().label()).isEqualTo(arrival);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "arrival=closed | without --max-concurrency",
        "arrival=closed max_concurrency=2 request_rate=3 | closed with --request-rate 3.0",
        "arrival=constant | constant (expected: a --request-rate with it)",
        "request_rate=-1 | --request-rate: -1 (expected: inf, or requests a second",
        "request_rate=fast | --request-rate: fast (expected: inf",
        "url=ftp://x | --url: ftp://x (expected: http://host:port or https://host:port)",
        "url=http://me:pass@h | --url: http://...@h (expected: http://host:port",
        "url=http://h:99999 | --url: http://h:99999 (expected:",
        "ca_file=x.pem | --ca-file: x.pem (expected: an https --url with it)",
        "tls_server_name=n | --tls-server-name: n (expected: an https --url with it)",
        "url=https://h ca_file=/no/such.pem | --ca-file: /no/such.pem (expected: a file that exists)",
        "client_cert=c.pem client_key=k.pem | --client-cert: c.pem (expected: an https --url with it)",
        "url=https://h client_cert=c.pem | --client-cert: c.pem (expected: both --client-cert and --client-key)",
        "url=https://h client_cert=/no/c.pem client_key=/no/k.pem | client_cert: /no/c.pem: ",
        "url=https://h tls_server_name=a/b | --tls-server-name: a/b (expected: a host name",
        "api_key=sk-\u00e4bc | --api-key: a character beyond ASCII at position 4 (expected: a key",
        "ramp_up=5 | --ramp-up: 5.0 (expected: a --request-rate or --max-concurrency to grow to)",
        "ramp_up=5 arrival=replay | --ramp-up: 5.0 (expected: none with --arrival replay",
        "ramp_up=-1 request_rate=1 | --ramp-up: -1 (expected: a number 0.0..1.0E9",
        "gauges_interval=often | --gauges-interval: often (expected: a number",
        "url=localhost:x | (expected: http://host:port or https://host:port)",
        "url=http://h/prefix | (expected: http://host:port or https://host:port)",
        "endpoint=v1/chat | --endpoint: v1/chat (expected: a path",
        "extra_body=[1] | --extra-body: [1] (expected: a JSON object)",
        "backend=vllm | --backend: vllm (expected: one of openai, openai-chat)",
        "dataset_name=hf | --dataset-name: hf (expected: one of custom, random"
      })
  void aWrongFlagIsNamedWithWhatWasExpected(String flags, String said) {
    assertThatThrownBy(() -> options(flags))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(said);
  }

  @Test
  void theAddressAndThePathHaveDefaults() throws Exception {
    assertThat(options("").url()).hasToString("http://127.0.0.1:8000");
    assertThat(options("host=h port=81").url()).hasToString("http://h:81");
    assertThat(options("host=::1 port=81").url()).hasToString("http://[::1]:81");
    assertThat(options("url=localhost:8001").url()).hasToString("http://localhost:8001");
    assertThat(options("base_url=http://h:82/v1").url()).hasToString("http://h:82");
    assertThat(options("base_url=http://h:82/").url()).hasToString("http://h:82");
    assertThat(options("url=https://h").url()).hasToString("https://h:443");
    assertThat(options("url=http://a_container").url()).hasToString("http://a_container:80");
    assertThat(options("").endpoint()).isEqualTo("/v1/chat/completions");
    assertThat(options("backend=openai").endpoint()).isEqualTo("/v1/completions");
  }

  @Test
  void theKeyIsSentUnlessAHeaderReplacesIt() throws Exception {
    Map<String, String> env = Map.of("OPENAI_API_KEY", "sk-1");
    assertThat(options("", List.of("X-A=b=c"), List.of(), env).headers())
        .extracting(h -> h.name() + ": " + h.value())
        .containsExactly("X-A: b=c", "Authorization: Bearer sk-1");
    assertThat(options("", List.of("authorization=Basic x"), List.of(), env).headers()).hasSize(1);
    assertThat(options("api_key=sk-2", List.of(), List.of(), env).headers())
        .as("the flag counts before the variable")
        .extracting(h -> h.name() + ": " + h.value())
        .containsExactly("Authorization: Bearer sk-2");
    assertThatThrownBy(
            () -> options("api_key=sk-2", List.of("authorization=x"), List.of(), Map.of()))
        .hasMessage("--api-key with --header authorization (expected: one of both)");
    assertThat(options("", List.of(), List.of(), env).target())
        .hasToString("http://127.0.0.1:8000");
    assertThatThrownBy(
            () -> options("", List.of(), List.of(), Map.of("OPENAI_API_KEY", "sk-\u00e4")))
        .hasMessageContaining("OPENAI_API_KEY")
        .hasMessageNotContaining("sk-");
    assertThatThrownBy(() -> options("", List.of("Host=x"), List.of(), Map.of()))
        .hasMessageContaining("--header: Host");
    assertThatThrownBy(() -> options("", List.of("X-A=\u0007"), List.of(), Map.of()))
        .hasMessageContaining("--header: X-A");
  }

  @Test
  void objectivesAreReadInVllmsForm() throws Exception {
    assertThat(options("", List.of(), List.of("ttft:500", "tpot:50"), Map.of()).goodput())
        .isEqualTo(Map.of("ttft", 500.0, "tpot", 50.0));
    assertThat(
            LoadOptions.of(
                    Arguments.of(
                        BenchProgram.PROGRAM,
                        Map.of(),
                        List.of("tpot:50"),
                        Map.of("goodput", List.of("ttft:500"))),
                    Map.of())
                .goodput())
        .hasSize(2);
    List<String> ofAnswer = List.of("e2el:500");
    assertThat(options("stream=false", List.of(), ofAnswer, Map.of()).goodput()).hasSize(1);
    for (String ofChunks : List.of("ttft:500", "tpot:50")) {
      assertThatThrownBy(
              () -> options("stream=false", List.of(), List.of("e2el:9", ofChunks), Map.of()))
          .hasMessageContaining("--goodput: " + ofChunks + " with --no-stream (expected: e2el:MS");
    }
    assertThatThrownBy(() -> options("", List.of(), List.of("ttft"), Map.of()))
        .hasMessageContaining("--goodput: ttft (expected: ttft:MS");
    assertThatThrownBy(() ->
            LoadOptions.of(
                Arguments.of(BenchProgram.PROGRAM, Map.of(), List.of("stray"), Map.of()), Map.of()))
        .hasMessageContaining("stray (expected: flags only");
  }
}
