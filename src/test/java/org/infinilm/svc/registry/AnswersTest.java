package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.registry.Samples.at;
import static org.infinilm.svc.registry.Samples.entry;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

/// The exact bytes that readers of the original compare: section 1.2 of the contract.
class AnswersTest {
  private static final Map<String, Object> METADATA = metadata();

  private static Map<String, Object> metadata() {
    Map<String, Object> m = new HashMap<>();
    m.put("type", "openai-api");
    m.put("models", List.of("é"));
    m.put("none", null);
    return m;
  }

  private static Table table() {
    Table t =
        Table.EMPTY.apply(new Event.Register(entry("x", "running", METADATA)), at(0.9)).next();
    return t.apply(new Event.Register(entry("b", "draining", Map.of())), at(1)).next();
  }

  private static String text(Object json) {
    return json instanceof byte[] b ? new String(b, StandardCharsets.UTF_8) : Json.text(json);
  }

  /// The same entry by way of the mapper: the slow twin of [Face].
  private static String twin(Lease l, Now now) {
    Entry e = l.entry();
    Map<String, Object> m = new HashMap<>();
    m.put("name", e.name());
    m.put("host", e.host());
    m.put("port", e.port());
    m.put("hostname", e.hostname());
    m.put("url", e.url());
    m.put("status", e.status());
    m.put("metadata", e.metadata());
    m.put("timestamp", Answers.time(l.registeredAt()));
    m.put("health_status", l.probe().word());
    m.put("is_healthy", l.isHealthy(now));
    m.put("last_heartbeat", Answers.seconds(l.heartbeatAt()));
    if (e.weight() != null) {
      m.put("weight", e.weight());
    }
    if (e.incarnation() != null) {
      m.put("incarnation", e.incarnation());
    }
    return Json.text(m);
  }

  @Test
  void whatIsRenderedOnceIsWhatTheMapperWrites() {
    Entry full =
        new Entry(
            "n \"🙂\\",
            "h",
            1,
            "é\n",
            "http://h:1",
            "st🙂",
            Map.of("k🙂", List.of(1.5, Map.of("z", true, "a", "\u2028"))),
            3,
            "inc");
    Table t = table().apply(new Event.Register(full), at(2)).next();
    for (Lease l : t.all()) {
      for (double s : new double[] {2, 100, 1000}) {
        for (Lease.Probe p : Lease.Probe.values()) {
          assertThat(text(Answers.service(l.with(p), at(s)))).isEqualTo(twin(l.with(p), at(s)));
        }
      }
    }
  }

  @Test
  void anEmojiComesBackAsItWentIn() throws Exception {
    String body =
        "{\"host\":\"h\",\"hostname\":\"🙂\",\"metadata\":{\"k🙂\":\"v🙂\"},\"name\":\"n🙂\",\"port\":1,"
            + "\"status\":\"running\",\"url\":\"http://h:1\"}";
    Entry e = Bodies.registration(body.getBytes(StandardCharsets.UTF_8));
    Lease l = Table.EMPTY.apply(new Event.Register(e), at(0)).next().all().iterator().next();
    assertThat(text(Answers.service(l, at(0))))
        .contains("\"hostname\":\"🙂\"", "{\"k🙂\":\"v🙂\"}", "\"name\":\"n🙂\"");
    assertThat(new String(Json.bytes(Map.of("k", "🙂")), StandardCharsets.UTF_8))
        .isEqualTo("{\"k\":\"🙂\"}");
  }

  private static Lease x() {
    return table().all().stream().filter(l -> l.name().equals("x")).findFirst().orElseThrow();
  }

  private static final String SERVICE =
      "{\"health_status\":\"unknown\",\"host\":\"10.0.0.1\",\"hostname\":\"host-a\","
          + "\"is_healthy\":true,\"last_heartbeat\":1770710805.0,"
          + "\"metadata\":{\"models\":[\"é\"],\"none\":null,\"type\":\"openai-api\"},"
          + "\"name\":\"x\",\"port\":8100,\"status\":\"running\","
          + "\"timestamp\":\"2026-02-10T08:06:45+00:00\",\"url\":\"http://10.0.0.1:8100\"}";

  @Test
  void service() {
    assertThat(text(Answers.service(x(), at(1)))).isEqualTo(SERVICE);
  }

  @Test
  void aWeightIsPublishedWhenOneWasRegistered() {
    Entry e = new Entry("w", "h", 1, "h", "http://h:1", "running", Map.of(), 3);
    Lease l = Table.EMPTY.apply(new Event.Register(e), at(0)).next().all().iterator().next();
    assertThat(text(Answers.service(l, at(0)))).endsWith("\"url\":\"http://h:1\",\"weight\":3}");
  }

  @Test
  void registered() {
    assertThat(text(Answers.registered(x(), at(1))))
        .isEqualTo(
            "{\"message\":\"Service 'x' registered successfully\",\"service\":" + SERVICE + "}");
    assertThat(text(Answers.updated(x(), at(1))))
        .isEqualTo(
            "{\"message\":\"Service 'x' updated successfully\",\"service\":" + SERVICE + "}");
    assertThat(text(Answers.unregistered("x")))
        .isEqualTo("{\"message\":\"Service 'x' unregistered successfully\"}");
    assertThat(text(Answers.heartbeat(at(1))))
        .isEqualTo(
            "{\"message\":\"Heartbeat received\",\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void healthHasItsFiveKeys() {
    assertThat(text(Answers.health(table(), at(1))))
        .isEqualTo(
            "{\"healthy_services\":1,\"registered_services\":2,\"registry\":\"running\","
                + "\"status\":\"healthy\",\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void services() {
    assertThat(text(Answers.services(List.of(x()), at(1)).bytes()))
        .isEqualTo(
            "{\"services\":["
                + SERVICE
                + "],\"timestamp\":\"2026-02-10T08:06:46+00:00\",\"total\":1}");
  }

  @Test
  void stats() {
    assertThat(text(Answers.stats(table(), at(1), Duration.ofMillis(7900), List.of("x"), "on")))
        .isEqualTo(
            "{\"conflicts\":[\"x\"],\"healthy_services\":1,\"host_distribution\":{\"10.0.0.1\":2},\"journal\":\"on\","
                + "\"status_distribution\":{\"draining\":1,\"running\":1},"
                + "\"timestamp\":\"2026-02-10T08:06:46+00:00\",\"total_services\":2,"
                + "\"type_distribution\":{\"openai-api\":{\"healthy\":1,\"total\":1},"
                + "\"other\":{\"healthy\":0,\"total\":1}},"
                + "\"unhealthy_services\":1,\"uptime\":7}");
  }

  @Test
  void probed() {
    assertThat(text(Answers.probed(x().with(Lease.Probe.UNHEALTHY), at(1))))
        .isEqualTo(
            "{\"health_status\":\"unhealthy\",\"is_healthy\":false,"
                + "\"last_heartbeat\":1770710805.0,\"service\":\"x\","
                + "\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void watch() {
    Table t = table().apply(new Event.Delete("b"), at(2)).next();
    assertThat(text(Answers.watch(t, "boot-3", null, at(2)).bytes()))
        .isEqualTo("{\"deleted\":[\"b\"],\"services\":[" + SERVICE + "],\"version\":\"boot-3\"}");
  }

  @Test
  void piecesTogetherAreTheWhole() throws Exception {
    List<Lease> many = java.util.Collections.nCopies(20_001, x());
    Answers.Listing list = Answers.services(many, at(1));
    assertThat(list.isSmall()).isFalse();
    java.io.ByteArrayOutputStream pieces = new java.io.ByteArrayOutputStream();
    list.writeTo(1000, pieces::writeBytes);
    assertThat(pieces.toByteArray()).isEqualTo(list.bytes());
    assertThat(Answers.services(List.of(), at(1)).isSmall()).isTrue();
  }
}
