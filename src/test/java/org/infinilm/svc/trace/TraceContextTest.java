package org.infinilm.svc.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
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
    TraceContext c = TraceContext.root(true, new SplittableRandom(3));
    assertThat(c.parentId()).isZero();
    assertThat(TraceContext.parse(c.field(5))).isNotNull();
    assertThat(TraceContext.root(false, new SplittableRandom(3)).field(5)).endsWith("-00");
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
    assertThat(of.service()).isEqualTo("front");
    assertThat(of.share()).isEqualTo(0.25);
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
