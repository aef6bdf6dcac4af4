package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.registry.Samples.at;
import static org.infinilm.svc.registry.Samples.entry;

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
    assertThat(Json.text(Answers.service(x(), at(1)))).isEqualTo(SERVICE);
  }

  @Test
  void aWeightIsPublishedWhenOneWasRegistered() {
    Entry e = new Entry("w", "h", 1, "h", "http://h:1", "running", Map.of(), 3);
    Lease l = Table.EMPTY.apply(new Event.Register(e), at(0)).next().all().iterator().next();
    assertThat(Json.text(Answers.service(l, at(0))))
        .endsWith("\"url\":\"http://h:1\",\"weight\":3}");
  }

  @Test
  void registered() {
    assertThat(Json.text(Answers.registered(x(), at(1))))
        .isEqualTo(
            "{\"message\":\"Service 'x' registered successfully\",\"service\":" + SERVICE + "}");
    assertThat(Json.text(Answers.updated(x(), at(1))))
        .isEqualTo(
            "{\"message\":\"Service 'x' updated successfully\",\"service\":" + SERVICE + "}");
    assertThat(Json.text(Answers.unregistered("x")))
        .isEqualTo("{\"message\":\"Service 'x' unregistered successfully\"}");
    assertThat(Json.text(Answers.heartbeat(at(1))))
        .isEqualTo(
            "{\"message\":\"Heartbeat received\",\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void healthHasItsFiveKeys() {
    assertThat(Json.text(Answers.health(table(), at(1))))
        .isEqualTo(
            "{\"healthy_services\":1,\"registered_services\":2,\"registry\":\"running\","
                + "\"status\":\"healthy\",\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void services() {
    assertThat(Json.text(Answers.services(List.of(x()), at(1))))
        .isEqualTo(
            "{\"services\":["
                + SERVICE
                + "],\"timestamp\":\"2026-02-10T08:06:46+00:00\",\"total\":1}");
  }

  @Test
  void stats() {
    assertThat(Json.text(Answers.stats(table(), at(1), Duration.ofMillis(7900))))
        .isEqualTo(
            "{\"healthy_services\":1,\"host_distribution\":{\"10.0.0.1\":2},"
                + "\"status_distribution\":{\"draining\":1,\"running\":1},"
                + "\"timestamp\":\"2026-02-10T08:06:46+00:00\",\"total_services\":2,"
                + "\"unhealthy_services\":1,\"uptime\":7}");
  }

  @Test
  void probed() {
    assertThat(Json.text(Answers.probed(x().with(Lease.Probe.UNHEALTHY), at(1))))
        .isEqualTo(
            "{\"health_status\":\"unhealthy\",\"is_healthy\":false,"
                + "\"last_heartbeat\":1770710805.0,\"service\":\"x\","
                + "\"timestamp\":\"2026-02-10T08:06:46+00:00\"}");
  }

  @Test
  void watch() {
    Table t = table().apply(new Event.Delete("b"), at(2)).next();
    assertThat(Json.text(Answers.watch(t, "boot-3", at(2))))
        .isEqualTo("{\"deleted\":[\"b\"],\"services\":[" + SERVICE + "],\"version\":\"boot-3\"}");
  }
}
