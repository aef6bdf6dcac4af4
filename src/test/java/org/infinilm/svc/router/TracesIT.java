package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Span.SpanKind;
import io.opentelemetry.proto.trace.v1.Status.StatusCode;
import java.io.BufferedInputStream;
import java.net.Socket;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.trace.TraceSettings;
import org.infinilm.svc.trace.Traces;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Traces, to a receiver that decodes the published protobuf.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class TracesIT {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String PARENT = "b7ad6b7169203331";
  private static final String SAMPLED = "00-" + TRACE + "-" + PARENT + "-01";
  private static final Pattern FIELD =
      Pattern.compile("(?im)^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$");
  private static final String USED =
      "{\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":60,\"total_tokens\":100,"
          + "\"prompt_tokens_details\":{\"cached_tokens\":30}}}";

  private Rig rig;
  private OtlpReceiver receiver;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    receiver = new OtlpReceiver();
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    receiver.close();
  }

  private void start(String... settings) throws Exception {
    String[] all = new String[settings.length + 1];
    System.arraycopy(settings, 0, all, 0, settings.length);
    all[settings.length] = "otlp_endpoint=" + receiver.url();
    rig.start(all);
  }

  private Said ask(String id, String fields, String body) throws Exception {
    return rig.send(Rig.post(Rig.CHAT, "x-request-id: " + id + "\r\n" + fields, body));
  }

  private static String parent(String value) {
    return "traceparent: " + value + "\r\n";
  }

  /// What an instance was told: trace, span, flags.
  private static Matcher told(String request) {
    Matcher m = FIELD.matcher(request);
    assertThat(m.find()).as(request).isTrue();
    Matcher once = FIELD.matcher(request);
    assertThat(once.results().count()).isEqualTo(1);
    return m;
  }

  private static Map<String, String> attributes(Span s) {
    return OtlpReceiver.attributes(s);
  }

  private static String id(Span s) {
    return OtlpReceiver.hex(s.getSpanId());
  }

  private static String parentId(Span s) {
    return OtlpReceiver.hex(s.getParentSpanId());
  }

  private static double seconds(Span s) {
    return (s.getEndTimeUnixNano() - s.getStartTimeUnixNano()) / 1e9;
  }

  @Test
  void aRequestIsASpanWithItsAttemptWhoseIdTheInstanceGets() throws Exception {
    rig.listed(
        new ScriptedInstance(
            "a",
            ScriptedInstance.answering(
                (r, n) -> Rig.answer(200, "Content-Type: application/json\r\n", USED))),
        Map.of("cache_type", "paged"));
    start("otlp_service=front");
    ask("one", parent(SAMPLED) + "tracestate: v=1,w=2\r\n", Rig.BODY);
    List<Span> spans = receiver.of("one");
    assertThat(spans).hasSize(2);
    Span own = spans.getFirst();
    Span attempt = spans.getLast();
    assertThat(OtlpReceiver.hex(own.getTraceId())).isEqualTo(TRACE);
    assertThat(parentId(own)).isEqualTo(PARENT);
    assertThat(own.getKind()).isEqualTo(SpanKind.SPAN_KIND_SERVER);
    assertThat(own.getName()).isEqualTo("POST /v1/chat/completions");
    assertThat(own.getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_UNSET);
    assertThat(attributes(own))
        .containsEntry("gen_ai.operation.name", "chat")
        .containsEntry("gen_ai.request.model", "m")
        .containsEntry("http.response.status_code", "200")
        .containsEntry("infini.instance", "a")
        .containsEntry("infini.pool", "paged")
        .containsEntry("infini.reason", "size")
        .containsEntry("infini.outcome", "ok")
        .containsEntry("client.address", "127.0.0.1")
        .containsKeys("infini.ttft_ms", "infini.queue_ms", "infini.size", "infini.threshold")
        .doesNotContainKey("gen_ai.usage.input_tokens");
    assertThat(attempt.getKind()).isEqualTo(SpanKind.SPAN_KIND_CLIENT);
    assertThat(attempt.getName()).isEqualTo("chat m");
    assertThat(parentId(attempt)).isEqualTo(id(own));
    assertThat(attributes(attempt))
        .containsEntry("gen_ai.usage.input_tokens", "40")
        .containsEntry("gen_ai.usage.output_tokens", "60")
        .containsEntry("gen_ai.usage.cache_read.input_tokens", "30")
        .containsEntry("gen_ai.provider.name", "openai")
        .containsEntry("server.address", "127.0.0.1")
        .containsEntry("server.port", Integer.toString(rig.instances.getFirst().port()))
        .containsEntry("infini.cache_type", "paged")
        .containsEntry("infini.attempt", "1");
    String seen = rig.instances.getFirst().seen.getFirst();
    Matcher told = told(seen);
    assertThat(told.group(1)).isEqualTo(TRACE);
    assertThat(told.group(2)).isEqualTo(id(attempt));
    assertThat(told.group(3)).isEqualTo("01");
    assertThat(seen).contains("tracestate: v=1,w=2\r\n");
    assertThat(
            OtlpReceiver.attributes(
                receiver.resources.getFirst().getResource().getAttributesList()))
        .containsEntry("service.name", "front");
    JsonNode d = rig.decision("one");
    assertThat(d.path("trace_id").asText()).isEqualTo(TRACE);
    long ended = java.time.Instant.parse(d.path("time").asText()).toEpochMilli();
    assertThat((double) own.getEndTimeUnixNano() / 1e6).isCloseTo((double) ended, within(1000.0));
    assertThat(seconds(own)).isCloseTo(d.path("total_seconds").asDouble(), within(1e-6));
    assertThat(own.getStartTimeUnixNano()).isLessThanOrEqualTo(attempt.getStartTimeUnixNano());
    assertThat(attempt.getEndTimeUnixNano()).isLessThanOrEqualTo(own.getEndTimeUnixNano());
  }

  @Test
  void eachAttemptIsASpanOfItsOwn() throws Exception {
    rig.instance("a", ScriptedInstance.CLOSES);
    rig.good("b");
    start("policy=round-robin");
    String id = "";
    for (int k = 0; k < 8 && id.isEmpty(); k++) {
      String n = "try-" + k;
      id = ask(n, "", Rig.BODY).field("x-infini-attempts").equals("2") ? n : "";
    }
    List<Span> spans = receiver.of(id);
    assertThat(spans).hasSize(3);
    Span first = spans.get(1);
    Span second = spans.get(2);
    assertThat(List.of(parentId(first), parentId(second))).containsOnly(id(spans.getFirst()));
    assertThat(parentId(spans.getFirst())).isEmpty();
    assertThat(attributes(first))
        .containsEntry("infini.instance", "a")
        .containsEntry("error.type", "closed_before_answer")
        .doesNotContainKey("http.response.status_code");
    assertThat(first.getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_ERROR);
    assertThat(attributes(second))
        .containsEntry("infini.instance", "b")
        .containsEntry("infini.reason", "retry")
        .containsEntry("infini.attempt", "2");
    assertThat(attributes(spans.getFirst())).containsEntry("infini.attempts", "2");
    String toA = rig.instances.getFirst().seen.getLast();
    String toB =
        rig.instances.getLast().seen.stream()
            .filter(r -> r.contains("-" + id(second) + "-"))
            .findFirst()
            .orElse("none");
    assertThat(told(toA).group(2)).isEqualTo(id(first));
    assertThat(told(toB).group(1)).isEqualTo(told(toA).group(1));
  }

  @Test
  void anAnswerThatIsPutAsideIsAnAttemptThatFailed() throws Exception {
    rig.answering("a", (r, n) -> Rig.answer(503, "", "{}"));
    rig.good("b");
    start("policy=round-robin");
    String id = "";
    for (int k = 0; k < 8 && id.isEmpty(); k++) {
      String n = "try-" + k;
      id = ask(n, "", Rig.BODY).field("x-infini-attempts").equals("2") ? n : "";
    }
    assertThat(attributes(receiver.of(id).get(1)))
        .containsEntry("error.type", "503")
        .containsEntry("http.response.status_code", "503");
  }

  @Test
  void aStreamIsASpanFromItsFirstByteToItsEnd() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    String chunk = "data: {\"choices\":[]}\n\n";
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(
              "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
          t.say(Integer.toHexString(chunk.length()) + "\r\n" + chunk + "\r\n");
          go.await();
          String end = "data: [DONE]\n\n";
          t.say(Integer.toHexString(end.length()) + "\r\n" + end + "\r\n0\r\n\r\n");
        });
    start();
    try (Socket s = rig.connect()) {
      String post = Rig.post(Rig.CHAT, "x-request-id: stream\r\n", Rig.STREAM);
      s.getOutputStream().write(post.getBytes(java.nio.charset.StandardCharsets.UTF_8));
      BufferedInputStream in = new BufferedInputStream(s.getInputStream());
      await().atMost(Rig.SOON).until(() -> in.available() > 0);
      go.countDown();
      Said.read(in);
    }
    List<Span> spans = receiver.of("stream");
    assertThat(spans).hasSize(3);
    Span attempt = spans.get(1);
    Span stream = spans.get(2);
    assertThat(stream.getName()).isEqualTo("stream");
    assertThat(stream.getKind()).isEqualTo(SpanKind.SPAN_KIND_INTERNAL);
    assertThat(parentId(stream)).isEqualTo(id(spans.getFirst()));
    assertThat(attributes(stream)).containsEntry("infini.events", "2");
    assertThat(attributes(attempt))
        .containsEntry("gen_ai.request.stream", "true")
        .containsKey("gen_ai.response.time_to_first_chunk");
    double first =
        Double.parseDouble(attributes(attempt).get("gen_ai.response.time_to_first_chunk"));
    assertThat((stream.getStartTimeUnixNano() - attempt.getStartTimeUnixNano()) / 1e9)
        .isCloseTo(first, within(1e-6));
  }

  @Test
  void whatTheRouterRefusesIsASpanWithItsError() throws Exception {
    rig.good("a");
    start("unknown_model_status=404");
    ask("typo", parent(SAMPLED), "{\"model\":\"mm\",\"messages\":[]}");
    List<Span> spans = receiver.of("typo");
    assertThat(spans).hasSize(1);
    assertThat(parentId(spans.getFirst())).isEqualTo(PARENT);
    assertThat(attributes(spans.getFirst()))
        .containsEntry("error.type", "model_not_found")
        .containsEntry("http.response.status_code", "404")
        .containsEntry("gen_ai.request.model", "mm");
    assertThat(spans.getFirst().getStatus().getCode())
        .as("a client's fault is none of the server's")
        .isEqualTo(StatusCode.STATUS_CODE_UNSET);
  }

  @Test
  void aWaitForAPlaceIsASpan() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.listed(
        new ScriptedInstance(
            "a",
            ScriptedInstance.answering((r, n) -> {
              go.await();
              return Rig.OK;
            })),
        Map.of("max_concurrency", 1));
    start("queue_timeout=0.2");
    try (Socket first = rig.connect()) {
      first
          .getOutputStream()
          .write(
              Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(java.nio.charset.StandardCharsets.UTF_8));
      await().atMost(Rig.SOON).until(() -> !rig.instances.getFirst().seen.isEmpty());
      assertThat(ask("waits", "", Rig.BODY).status()).isEqualTo(503);
      go.countDown();
      Said.read(new BufferedInputStream(first.getInputStream()));
    }
    List<Span> spans = receiver.of("waits");
    assertThat(spans).hasSize(2);
    assertThat(spans.get(1).getName()).isEqualTo("queue");
    assertThat(seconds(spans.get(1)))
        .isCloseTo(rig.decision("waits").path("queue_seconds").asDouble(), within(1e-6));
    assertThat(spans.getFirst().getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_ERROR);
    assertThat(spans.getFirst().getStatus().getMessage()).contains("busy");
  }

  @Test
  void whatAClientDoesNotRecordPassesAsItCame() throws Exception {
    rig.good("a");
    start();
    String field = "00-" + TRACE + "-" + PARENT + "-00";
    ask("quiet", parent(field) + "tracestate: v=1\r\n", Rig.BODY);
    ask("loud", parent(SAMPLED), Rig.BODY);
    receiver.of("loud");
    String seen = rig.instances.getFirst().seen.getFirst();
    assertThat(seen).contains(parent(field)).contains("tracestate: v=1\r\n");
    assertThat(receiver.spans).hasSize(2);
    assertThat(rig.decision("quiet").path("trace_id").asText()).isEqualTo(TRACE);
  }

  @Test
  void aBrokenFieldBeginsATraceAndItsStateGoes() throws Exception {
    rig.good("a");
    start();
    String broken = SAMPLED.replace("-01", "-0");
    ask("broken", parent(broken) + "tracestate: v=1\r\n", Rig.BODY);
    ask("twice", parent(SAMPLED) + parent(SAMPLED), Rig.BODY);
    for (String id : List.of("broken", "twice")) {
      assertThat(parentId(receiver.of(id).getFirst())).as(id).isEmpty();
    }
    for (String seen : rig.instances.getFirst().seen) {
      assertThat(told(seen).group(1)).isNotEqualTo(TRACE);
      assertThat(seen).doesNotContain("tracestate").doesNotContain(PARENT);
    }
  }

  @Test
  void ofRootsAShareIsRecordedAndTheOthersSayThatTheyAreNot() throws Exception {
    rig.good("a");
    start("trace_sample=0");
    ask("root", "", Rig.BODY);
    ask("client's", parent(SAMPLED), Rig.BODY);
    receiver.of("client's");
    assertThat(receiver.spans).hasSize(2);
    Matcher told = told(rig.instances.getFirst().seen.getFirst());
    assertThat(told.group(3)).as("not recorded, and its id is random").isEqualTo("02");
    assertThat(rig.decision("root").path("trace_id").asText()).isEqualTo(told.group(1));
  }

  @Test
  void aSamplerThatFollowsNobodyRecordsAlsoWhatAClientDoesNot() throws Exception {
    rig.good("a");
    start("trace_sampler=always_on");
    ask("quiet", parent(SAMPLED.replace("-01", "-00")), Rig.BODY);
    assertThat(receiver.of("quiet")).hasSize(2);
    Matcher told = told(rig.instances.getFirst().seen.getFirst());
    assertThat(told.group(1)).isEqualTo(TRACE);
    assertThat(told.group(3)).isEqualTo("01");
  }

  @Test
  void fieldsAndNamesOfTheOperatorReachTheReceiver() throws Exception {
    rig.good("a");
    start("otlp_headers=api-key=hush%2Chush", "otlp_resource=deployment.environment.name=test");
    ask("one", "", Rig.BODY);
    receiver.of("one");
    assertThat(receiver.headers.get("Api-key")).isEqualTo(List.of("hush,hush"));
    assertThat(
            OtlpReceiver.attributes(
                receiver.resources.getFirst().getResource().getAttributesList()))
        .containsEntry("service.name", "infini-router")
        .containsEntry("deployment.environment.name", "test");
  }

  @Test
  void whatAReceiverRejectsOfAMessageIsDroppedAndNotSent() throws Exception {
    rig.good("a");
    receiver.rejected = 1;
    start();
    ask("one", "", Rig.BODY);
    receiver.of("one");
    String total = "infini_router_traces_total{result=";
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() ->
            assertThat(rig.text("/metrics"))
                .contains(total + "\"dropped\"} 1.0")
                .contains(total + "\"sent\"} 0.0")
                .contains("infini_router_trace_spans_rejected_total 1.0")
                .contains("infini_router_traces_up 1.0"));
  }

  @Test
  void withoutAReceiverNothingIsReadAndNothingIsSent() throws Exception {
    rig.good("a");
    rig.start();
    ask("one", parent("broken") + "tracestate: v=1\r\n", Rig.BODY);
    ask("two", "", Rig.BODY);
    assertThat(rig.instances.getFirst().seen.getFirst())
        .contains(parent("broken"))
        .contains("tracestate: v=1\r\n");
    assertThat(rig.instances.getFirst().seen.getLast()).doesNotContain("traceparent");
    assertThat(rig.decision("one").has("trace_id")).isFalse();
    assertThat(rig.text("/metrics")).doesNotContain("infini_router_traces");
  }

  @Test
  void aReceiverThatIsDownOrRefusesCostsNoRequest() throws Exception {
    rig.good("a");
    int port = receiver.port();
    receiver.close();
    start();
    for (int k = 0; k < 20; k++) {
      assertThat(ask("r" + k, "", Rig.BODY).status()).isEqualTo(200);
    }
    String failed = "infini_router_traces_total{result=\"failed\"} ";
    await().atMost(Rig.SOON).until(() -> !rig.text("/metrics").contains(failed + "0.0"));
    assertThat(rig.text("/metrics")).contains("infini_router_traces_up 0.0");
    receiver = new OtlpReceiver(port);
    receiver.status = 500;
    assertThat(ask("later", "", Rig.BODY).status()).isEqualTo(200);
    await().atMost(Rig.SOON).until(() -> receiver.asked.get() > 0);
    receiver.status = 200;
    assertThat(ask("last", "", Rig.BODY).status()).isEqualTo(200);
    receiver.of("last");
    await().atMost(Rig.SOON).until(() -> rig.text("/metrics").contains("traces_up 1.0"));
  }

  @Test
  void whatEndedBeforeTheRouterIsSentAtItsEnd() throws Exception {
    rig.good("a");
    start();
    ask("last", "", Rig.BODY);
    rig.decision("last");
    rig.router().close();
    assertThat(receiver.of("last")).hasSize(2);
  }

  @Test
  void whatIsLeftOfSeveralMessagesIsAllSentAtTheEnd() throws Exception {
    int traces = 700;
    var span =
        new org.infinilm.svc.trace.Span(
            TRACE,
            PARENT,
            null,
            org.infinilm.svc.trace.Span.Kind.SERVER,
            "s",
            0,
            1,
            Map.of(),
            null);
    CountDownLatch go = new CountDownLatch(1);
    Traces.Words<String> words =
        of -> {
          try {
            go.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return List.of(span);
        };
    TraceSettings to = TraceSettings.to(URI.create(receiver.url() + "/v1/traces"));
    Traces<String> t = new Traces<>(to, words, Ticker.SYSTEM);
    for (int k = 0; k < traces; k++) {
      t.offer("x");
    }
    t.start();
    Thread end = Thread.ofPlatform().start(t::close);
    await().atMost(Rig.SOON).until(() -> end.getState() == Thread.State.TIMED_WAITING);
    go.countDown();
    await().atMost(Rig.SOON).until(() -> !end.isAlive());
    assertThat(receiver.spans).hasSize(traces);
  }
}
