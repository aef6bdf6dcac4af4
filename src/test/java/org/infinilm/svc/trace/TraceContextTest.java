package org.infinilm.svc.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TraceContextTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String FIELD = "00-" + TRACE + "-b7ad6b7169203331-01";

  @Test
  void whatIsReadIsWrittenAgainWithAnotherParent() {
    TraceContext c = TraceContext.parse(FIELD);
    assertThat(c.traceId()).isEqualTo(TRACE);
    assertThat(TraceContext.spanId(c.parentId())).isEqualTo("b7ad6b7169203331");
    assertThat(c.sampled()).isTrue();
    assertThat(c.field(0x0102L)).isEqualTo("00-" + TRACE + "-0000000000000102-01");
    assertThat(TraceContext.parse(FIELD.replace("-01", "-00")).sampled()).isFalse();
    TraceContext random = TraceContext.parse(FIELD.replace("-01", "-03"));
    assertThat(random.sampled()).isTrue();
    assertThat(random.field(1)).endsWith("-03");
    TraceContext more = TraceContext.parse(FIELD.replace("-01", "-fe"));
    assertThat(more.sampled()).isFalse();
    assertThat(more.field(1)).as("what nobody knows yet is sent as 0").endsWith("-02");
  }

  @Test
  void aLaterVersionIsReadAsFarAsThisOneGoes() {
    assertThat(TraceContext.parse("cc" + FIELD.substring(2) + "-what-comes")).isNotNull();
    assertThat(TraceContext.parse("cc" + FIELD.substring(2))).isNotNull();
    assertThat(TraceContext.parse("cc" + FIELD.substring(2) + ".x")).isNull();
    assertThat(TraceContext.parse("cc" + FIELD.substring(2)).field(1)).startsWith("00-");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      })
  void whatIsBrokenIsNotFollowed(String field) {
    assertThat(TraceContext.parse(field)).isNull();
  }

  @Test
  void aTraceThatBeginsHereHasNoParent() {
    TraceContext c = TraceContext.root(1, new SplittableRandom(3));
    assertThat(c.parentId()).isZero();
    assertThat(TraceContext.parse(c.field(5))).isNotNull();
    assertThat(c.field(5)).as("recorded, and its id is random").endsWith("-03");
    assertThat(TraceContext.root(0, new SplittableRandom(3)).field(5)).endsWith("-02");
  }

  @Test
  void aShareIsDrawnByTheIdsAndEverybodyDrawsAlike() {
    SplittableRandom random = new SplittableRandom(8);
    int n = 0;
    for (int k = 0; k < 4000; k++) {
      TraceContext c = TraceContext.root(0.25, random);
      assertThat(c.drawn(0.25)).isEqualTo(c);
      assertThat(!c.sampled() || c.drawn(0.5).sampled()).as("a larger share has it too").isTrue();
      n += c.sampled() ? 1 : 0;
    }
    assertThat(n).isBetween(850, 1150);
    TraceContext client = TraceContext.parse(FIELD);
    assertThat(client.drawn(0).field(1)).endsWith("-00");
    assertThat(client.drawn(1)).isEqualTo(client);
  }

  private static TraceSettings settings(Map<String, String> flags, Map<String, String> env)
      throws Exception {
    return TraceSettings.of(Config.resolve(TraceSettings.KEYS, flags, env, null)).orElse(null);
  }

  @Test
  void theReceiverIsFoundBelowTheEndpoint() throws Exception {
    assertThat(settings(Map.of(), Map.of())).isNull();
    assertThat(settings(Map.of("otlp_endpoint", "http://h:4318"), Map.of()).receiver())
        .hasToString("http://h:4318/v1/traces");
    Map<String, String> env =
        Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h/base/", "OTEL_SERVICE_NAME", "front");
    TraceSettings of = settings(Map.of("trace_sample", "0.25"), env);
    assertThat(of.receiver()).hasToString("https://h/base/v1/traces");
    assertThat(of.resource()).containsExactly(Map.entry("service.name", "front"));
    assertThat(of.sampling()).isEqualTo(new TraceSettings.Sampling(0.25, true));
  }

  @Test
  void theVariablesOfTheSdksAreReadAndFlagsWinOverThem() throws Exception {
    Map<String, String> env =
        Map.of(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://all:4318",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://traces:4318/own/path",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "api-key=secret%20one%3D,x-tenant= a+b ",
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=of-attributes,deployment.environment.name=caf%C3%A9",
            "OTEL_TRACES_SAMPLER",
            "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG",
            "0.5",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/protobuf");
    TraceSettings of = settings(Map.of(), env);
    assertThat(of.receiver()).as("taken as it is").hasToString("http://traces:4318/own/path");
    assertThat(of.headers()).isEqualTo(Map.of("api-key", "secret one=", "x-tenant", "a+b"));
    assertThat(of.resource())
        .isEqualTo(
            Map.of("service.name", "of-attributes", "deployment.environment.name", "caf\u00e9"));
    assertThat(of.sampling()).isEqualTo(new TraceSettings.Sampling(0.5, false));

    TraceSettings flags =
        settings(
            Map.of(
                "otlp_endpoint", "http://flag:1",
                "otlp_headers", "a=b",
                "otlp_service", "front",
                "trace_sampler", "parentbased_always_on",
                "trace_sample", "0.1"),
            env);
    assertThat(flags.receiver()).hasToString("http://flag:1/v1/traces");
    assertThat(flags.headers()).isEqualTo(Map.of("a", "b"));
    assertThat(flags.resource()).containsEntry("service.name", "front");
    assertThat(flags.sampling()).isEqualTo(new TraceSettings.Sampling(0.1, true));
    assertThat(settings(Map.of("otlp_traces_endpoint", "http://f:1/x"), env).receiver())
        .hasToString("http://f:1/x");
  }

  @ParameterizedTest
  @CsvSource({
    "parentbased_always_on,1,true",
    "parentbased_always_off,0,true",
    "parentbased_traceidratio,0.5,true",
    "PARENTBASED_TRACEIDRATIO,0.5,true",
    "always_on,1,false",
    "always_off,0,false",
    "traceidratio,0.5,false"
  })
  void samplersAreThoseOfTheSdks(String sampler, double share, boolean follows) throws Exception {
    Map<String, String> env =
        Map.of(
            "OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1",
            "OTEL_TRACES_SAMPLER", sampler,
            "OTEL_TRACES_SAMPLER_ARG", "0.5");
    assertThat(settings(Map.of(), env).sampling())
        .isEqualTo(new TraceSettings.Sampling(share, follows));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "OTEL_EXPORTER_OTLP_HEADERS; secret; entry 1 (expected: NAME=VALUE",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS; a=b,c=%secret; the value of c (expected: %",
        "OTEL_EXPORTER_OTLP_HEADERS; a=secret%0d%0ax; the value of a (expected: visible",
        "OTEL_EXPORTER_OTLP_HEADERS; a b=secret; a b (expected: a field's name",
        "OTEL_EXPORTER_OTLP_HEADERS; Content-Type=secret; Content-Type (expected: a field's name",
        "OTEL_RESOURCE_ATTRIBUTES; =secret; entry 1 (expected: NAME=VALUE",
        "OTEL_EXPORTER_OTLP_PROTOCOL; grpc; grpc (expected: http/protobuf",
        "OTEL_TRACES_SAMPLER; jaeger_remote; jaeger_remote (expected: one of",
        "OTEL_TRACES_SAMPLER_ARG; 2; 2 (expected: "
      })
  void whatCannotBeUsedIsNamedWithoutItsSecret(String name, String value, String said) {
    Map<String, String> env = Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1", name, value);
    assertThatThrownBy(() -> settings(Map.of(), env))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(name)
        .hasMessageContaining(said)
        .hasMessageNotContaining("secret");
  }

  @Test
  void fieldsForTheReceiverAreSecretsToEverybodyWhoAsksWhatHolds() throws Exception {
    Config c =
        Config.resolve(TraceSettings.KEYS, Map.of("otlp_headers", "api-key=hush"), Map.of(), null);
    assertThat(String.join("\n", c.describe())).contains("(secret)").doesNotContain("hush");
    Map<String, String> flags = Map.of("otlp_endpoint", "http://h:1", "otlp_headers", "key=hush");
    assertThat(settings(flags, Map.of()).toString()).contains("key").doesNotContain("hush");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"h:4318", "grpc://h:4317", "http://u:secret@h:1", "http://h:1?x=y", "http:///v1"})
  void anEndpointThatIsNoneIsNamedWithoutItsSecret(String at) {
    assertThatThrownBy(() -> settings(Map.of("otlp_endpoint", at), Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("otlp")
        .hasMessageContaining("(expected: http://host:4318")
        .hasMessageNotContaining("secret");
  }
}
