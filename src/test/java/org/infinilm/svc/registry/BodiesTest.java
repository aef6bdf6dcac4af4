package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class BodiesTest {
  private static final String GOOD =
      "{\"name\":\"x\",\"host\":\"h\",\"port\":1,\"hostname\":\"n\",\"url\":\"http://h:1\","
          + "\"status\":\"running\"}";

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  private static String good(String field, String json) {
    return GOOD.replaceFirst("\"" + field + "\":(\"[^\"]*\"|1)", "\"" + field + "\":" + json);
  }

  private static String metadata(String json) {
    return GOOD.substring(0, GOOD.length() - 1) + ",\"metadata\":" + json + "}";
  }

  private static String with(String field, String json) {
    return GOOD.substring(0, GOOD.length() - 1) + ",\"" + field + "\":" + json + "}";
  }

  @Test
  void sixFieldsAreEnough() throws Refused {
    assertThat(Bodies.registration(bytes(GOOD)))
        .isEqualTo(new Entry("x", "h", 1, "n", "http://h:1", "running", Map.of(), null));
  }

  @Test
  void unknownFieldsAndTimestampAreIgnored() throws Refused {
    String body = with("timestamp", "7").replaceFirst("}$", ",\"more\":[1]}");
    assertThat(Bodies.registration(bytes(body)).name()).isEqualTo("x");
  }

  @Test
  void metadataComesBackAsItWas() throws Refused {
    String json =
        "{\"a\":null,\"b\":[1,-2.5,true,\"\\\"é😀\"],\"big\":123456789012345678901234567890,"
            + "\"c\":{\"d\":{}},\"long\":9007199254740993}";
    Entry e = Bodies.registration(bytes(metadata(json)));
    assertThat(e.metadata())
        .containsEntry("big", new BigInteger("123456789012345678901234567890"))
        .containsEntry("a", null);
    assertThat(Json.text(e.metadata())).isEqualTo(json);
  }

  static List<Arguments> refused() {
    return List.of(
        Arguments.of("", 400, "empty"),
        Arguments.of("{", 400, "not JSON"),
        Arguments.of(GOOD + "x", 400, "not JSON"),
        Arguments.of(GOOD + GOOD, 400, "not JSON"),
        Arguments.of("[1]", 422, "an array"),
        Arguments.of("null", 422, "null"),
        Arguments.of("{}", 422, "name: missing"),
        Arguments.of(good("name", "null"), 422, "name: missing"),
        Arguments.of(good("name", "7"), 422, "name: 7 (expected: a string)"),
        Arguments.of(good("name", "\"\""), 422, "name: \"\""),
        Arguments.of(good("name", "\"  \""), 422, "name: \"  \""),
        Arguments.of(good("name", "\"a\\\\u0000\""), 422, "name:"),
        Arguments.of(good("name", "\"\\\\ud800\""), 400, "name: half of a surrogate pair"),
        Arguments.of(good("host", "\"a/b\""), 422, "host: \"a/b\""),
        Arguments.of(good("host", "\"u@h\""), 422, "host:"),
        Arguments.of(good("port", "-1"), 422, "port: -1 (expected: a whole number 0..65535)"),
        Arguments.of(good("port", "65536"), 422, "port: 65536"),
        Arguments.of(good("port", "8100.0"), 422, "port: 8100.0"),
        Arguments.of(good("port", "\"8100\""), 422, "port: a string"),
        Arguments.of(good("port", "4294967297"), 422, "port: 4294967297"),
        Arguments.of(good("url", "\"file:///etc/passwd\""), 422, "url:"),
        Arguments.of(good("url", "\"http://u:p@h/\""), 422, "url:"),
        Arguments.of(good("url", "\"h:1\""), 422, "url:"),
        Arguments.of(good("url", "\"http://x:99999\""), 422, "url:"),
        Arguments.of(good("url", "\"http://x:-1\""), 422, "url:"),
        Arguments.of(good("url", "\"http://x:80:80\""), 422, "url:"),
        Arguments.of(good("host", "\"%\""), 422, "host:"),
        Arguments.of(good("host", "\"[[\""), 422, "host:"),
        Arguments.of(good("host", "\"[::1\""), 422, "host:"),
        Arguments.of(good("host", "\"...\""), 422, "host:"),
        Arguments.of(good("host", "\"-\""), 422, "host:"),
        Arguments.of(good("host", "\"a%b\""), 422, "host:"),
        Arguments.of(metadata("{\"x\":[" + "{},".repeat(30_000) + "{}]}"), 413, "too many values"),
        Arguments.of(good("status", "true"), 422, "status: true"),
        Arguments.of(metadata("null"), 422, "metadata: null (expected: an object)"),
        Arguments.of(metadata("[]"), 422, "metadata: an array"),
        Arguments.of(metadata("{\"a\":\"\\ud83d\"}"), 400, "half of a surrogate"),
        Arguments.of(metadata("{\"\\udc00\":1}"), 400, "half of a surrogate"),
        Arguments.of(metadata("{\"a\":1e999}"), 400, "out of range"),
        Arguments.of(metadata("{\"a\":" + "[".repeat(120) + "]".repeat(120) + "}"), 400, "nested"),
        Arguments.of(metadata("{\"a\":1,\"a\":2}"), 400, "not JSON"),
        Arguments.of(with("weight", "-1"), 422, "weight: -1"),
        Arguments.of(with("weight", "\"two\""), 422, "weight: a string"),
        Arguments.of(with("weight", "1.5"), 422, "weight: 1.5"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"::1", "[2001:db8::1]", "my_container", "10.0.0.1", "a.b-c"})
  void hostsOfEveryKindAreTaken(String host) throws Refused {
    byte[] body = bytes(good("host", "\"" + host + "\""));
    assertThat(Bodies.registration(body).host()).isEqualTo(host);
  }

  @Test
  void whatIsNoJsonIsSaidWithItsPlaceAndWithoutNamesOfOurs() {
    assertThatThrownBy(() -> Bodies.registration(bytes("{\n} {}")))
        .hasMessageContaining("line 2, column")
        .hasMessageNotContaining("com.")
        .hasMessageNotContaining("Jackson");
  }

  @Test
  void aHeartbeatThatIsABombIsOneWithoutABody() {
    String bomb = "{\"status\":\"draining\",\"x\":[" + "{},".repeat(30_000) + "{}]}";
    assertThat(Bodies.heartbeat("a", bytes(bomb)).status()).isNull();
  }

  @ParameterizedTest
  @MethodSource("refused")
  void refuses(String body, int status, String said) {
    Refused r = catchThrowableOfType(Refused.class, () -> Bodies.registration(bytes(body)));
    assertThat(r).as(body).isNotNull();
    assertThat(r.status()).isEqualTo(status);
    assertThat(r).hasMessageContaining(said);
  }

  @Test
  void invalidUtf8IsNoJson() {
    byte[] body = bytes(good("name", "\"?\""));
    for (int i = 0; i < body.length; i++) {
      if (body[i] == '?') {
        body[i] = (byte) 0xff;
      }
    }
    Refused r = catchThrowableOfType(Refused.class, () -> Bodies.registration(body));
    assertThat(r.status()).isEqualTo(400);
  }

  @Test
  void updateTakesAnySubsetAndIgnoresNullsAndNames() throws Refused {
    assertThat(
            Bodies.update(
                "x", bytes("{\"name\":\"y\",\"host\":null,\"port\":2,\"metadata\":null}")))
        .isEqualTo(new Event.Update("x", null, 2, null, null, null, null, null));
    assertThat(Bodies.update("x", bytes("{}")))
        .isEqualTo(new Event.Update("x", null, null, null, null, null, null, null));
    Refused r =
        catchThrowableOfType(Refused.class, () -> Bodies.update("x", bytes("{\"port\":\"2\"}")));
    assertThat(r.status()).isEqualTo(422);
  }

  static List<Arguments> heartbeats() {
    return List.of(
        Arguments.of("", null),
        Arguments.of("{\"status\":\"busy\"}", "busy"),
        Arguments.of("{\"status\":7}", null),
        Arguments.of("{\"status\":\"\\ud800\"}", null),
        Arguments.of("[]", null),
        Arguments.of("nonsense", null));
  }

  @ParameterizedTest
  @MethodSource("heartbeats")
  void aHeartbeatBodyThatIsNotUnderstoodIsIgnored(String body, @Nullable String status) {
    assertThat(Bodies.heartbeat("x", bytes(body)).status()).isEqualTo(status);
  }

  /// The original knew neither field and let them be.
  @ParameterizedTest
  @CsvSource({"2, 2", "2.0, 2", "'\"2\"', 2", "null, "})
  void whatClientsOfTheOriginalSayOfAWeightIsTaken(String said, @Nullable Integer weight)
      throws Refused {
    Entry e = Bodies.registration(bytes(with("weight", said)));
    assertThat(e.weight()).isEqualTo(weight);
    assertThat(Bodies.registration(bytes(with("incarnation", "5"))).incarnation()).isNull();
    assertThat(Bodies.registration(bytes(with("incarnation", "\"\""))).incarnation()).isNull();
  }
}
