package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The router's parts that have a rule or two each.
class SmallPartsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}} | 5 | 2 | 0",
        "{\"usage\": {\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens\":1}} | 5 | 1 | 4",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}} data: [DONE] | 9 | 3 | 0",
        "{\"usage\":null} {\"usage\":{\"prompt_tokens\":1}} {\"usage\":null} | 1 | 0 | 0",
        "{\"usage\":{\"input_tokens\":8,\"output_tokens\":6}} | 8 | 6 | 0",
        "{\"usage\":{\"input_tokens\":8,\"cache_read_input_tokens\":30,\"cache_creation_input_tokens\":2,\"output_tokens\":6}} | 40 | 6 | 32",
        "{\"usage\":{\"input_tokens\":8,\"cache_read_input_tokens\":null,\"output_tokens\":6}} | 8 | 6 | 0",
        "{\"usage\":{\"input_tokens\":40,\"input_tokens_details\":{\"cached_tokens\":32},\"output_tokens\":6}} | 40 | 6 | 32",
        // Anthropic's streams: the prompt at the start, the answer at the end
        "{\"message\":{\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}} {\"usage\":{\"output_tokens\":800}} | 20 | 800 | 0",
        "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":800}} | 0 | 800 | 0",
        "{\"text\":\"\\\"usage\\\"\",\"usage\":{\"prompt_tokens\":2}} | 2 | 0 | 0",
      })
  void usageIsFoundInTheEndOfAnAnswer(String tail, long prompt, long completion, long cached) {
    assertThat(usage(tail)).isEqualTo(new Usage(prompt, completion, cached));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "nothing here",
        "\"usage\"",
        "{\"usage\":{\"prompt_tokens\":5",
        "{\"usage\":{}}",
        "{\"usage\":{\"prompt_tokens\":\"5\"}}",
        "{\"usage\":{\"prompt_tokens\":100000000,\"completion_tokens\":999999999999999}}",
        "_tokens\":5}}",
      })
  void whatIsNoUsageIsNone(String tail) {
    assertThat(usage(tail)).isNull();
  }

  @Test
  void aNameInTheAccessLogIsOneLine() {
    assertThat(AccessLine.inLine("a/b:c 日本")).isEqualTo("a/b:c 日本");
    assertThat(AccessLine.inLine("A\n2026 \u0085x\u2028\u001b[1m\u007f"))
        .isEqualTo("A?2026 ?x??[1m?");
  }

  @Test
  void theTapKeepsTheEndAndCountsEvents() {
    ResponseTap tap = new ResponseTap();
    assertThat(tap.betweenEvents()).isTrue();
    tap.slice(Unpooled.copiedBuffer("data: a\n", UTF_8), true);
    assertThat(tap.betweenEvents()).isFalse();
    tap.slice(Unpooled.copiedBuffer("\ndata: b", UTF_8), true);
    assertThat(tap.betweenEvents()).isFalse();
    tap.slice(Unpooled.copiedBuffer("\n\n", UTF_8), true);
    assertThat(tap.betweenEvents()).isTrue();
    assertThat(tap.events()).isEqualTo(2);
    assertThat(tail(tap)).isEqualTo("data: a\n\ndata: b\n\n");
  }

  private static @Nullable Usage usage(String tail) {
    byte[] end = tail.getBytes(UTF_8);
    return UsageReader.read(end, end.length);
  }

  private static String tail(ResponseTap tap) {
    byte[] end = new byte[ResponseTap.TAIL_BYTES];
    return new String(end, 0, tap.tail(end), UTF_8);
  }

  @ParameterizedTest
  @ValueSource(strings = {"\n", "\r\n", "\r"})
  void theTapCountsEventsWhateverEndsTheirLinesAndHoweverTheyAreCut(String end) {
    String all =
        "data: a" + end + end + ": c" + end + end + "event: x" + end + "data: b" + end + end;
    for (int cut = 0; cut <= all.length(); cut++) {
      ResponseTap tap = new ResponseTap();
      tap.slice(Unpooled.copiedBuffer(all.substring(0, cut), UTF_8), true);
      tap.slice(Unpooled.copiedBuffer(all.substring(cut), UTF_8), true);
      assertThat(tap.events()).as("a comment is none; cut at " + cut).isEqualTo(2);
      assertThat(tap.betweenEvents()).isTrue();
      tap.slice(Unpooled.copiedBuffer("d", UTF_8), true);
      assertThat(tap.betweenEvents()).isFalse();
    }
  }

  @Test
  void theTapsTailIsTheLastTwoKibibytesHoweverTheyCome() {
    SplittableRandom random = new SplittableRandom(9);
    for (int round = 0; round < 100; round++) {
      ResponseTap tap = new ResponseTap();
      StringBuilder all = new StringBuilder();
      for (int k = random.nextInt(1, 12); k > 0; k--) {
        String piece = Integer.toString(random.nextInt(10)).repeat(random.nextInt(1, 5000));
        all.append(piece);
        tap.slice(Unpooled.copiedBuffer("xx" + piece, UTF_8).skipBytes(2), false);
      }
      String end = all.substring(Math.max(0, all.length() - ResponseTap.TAIL_BYTES));
      assertThat(tail(tap)).isEqualTo(end);
      assertThat(tap.bytes()).isEqualTo(all.length());
      assertThat(tap.events()).isZero();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "data: [DONE]~~ | true",
        "data: {}~~data: [DONE]~~ | true",
        "data:[DONE]~ | true",
        "data: {}^~^~data: [DONE]^~^~ | true",
        "data: [DONE] | false",
        "data: {}~~ | false",
        "data: {\"text\":\"data: [DONE]~~ | false",
        "[DONE]~~ | false",
        "a: [DONE]~~ | false",
        "xdata: [DONE]~~ | false",
        "data: [DONE]~~data: {}~~ | false",
        "~~~~ | false",
        "`` | false"
      })
  void theTapKnowsTheEndOfAStreamHoweverItComes(String stream, boolean done) {
    String all = stream.replace('~', '\n').replace('^', '\r');
    for (int cut = 0; cut <= all.length(); cut++) {
      ResponseTap tap = new ResponseTap();
      for (String piece : List.of(all.substring(0, cut), all.substring(cut))) {
        tap.slice(Unpooled.copiedBuffer(piece, UTF_8), true);
      }
      assertThat(tap.endsWithDone()).as("cut at " + cut).isEqualTo(done);
    }
  }

  @Test
  void aFifthOfTheRequestsMayBeRetried() {
    RetryBudget budget = new RetryBudget();
    int atTheStart = 0;
    while (budget.retry()) {
      atTheStart++;
    }
    assertThat(atTheStart).isEqualTo(10);
    int retries = 0;
    for (int k = 0; k < 1000; k++) {
      budget.request();
      retries += budget.retry() ? 1 : 0;
    }
    assertThat(retries).isEqualTo(200);
    for (int k = 0; k < 100_000; k++) {
      budget.request();
    }
    int saved = 0;
    while (budget.retry()) {
      saved++;
    }
    assertThat(saved).isEqualTo(100);
  }

  @Test
  void saneRequestIdsAreKeptOthersAreMade() {
    RequestIds ids = new RequestIds(new SplittableRandom(1));
    for (String sane : List.of("a", "req_1-2.3:4/5", "x".repeat(128))) {
      assertThat(ids.of(sane)).isEqualTo(sane);
    }
    Set<String> made = new HashSet<>();
    for (String odd : List.of("", "a b", "x".repeat(129), "a\"b", "a\\b", "\u001b[31m", "ä")) {
      assertThat(made.add(ids.of(odd))).isTrue();
    }
    made.add(ids.of(null));
    assertThat(made).hasSize(8).allMatch(id -> id.matches("req-[0-9a-f]{16}-\\d+"));
  }

  @Test
  void theRingHoldsTheLastDecisionsNewestFirst() {
    Decisions ring = new Decisions(16);
    assertThat(ring.last(5)).isEmpty();
    for (int k = 0; k < 40; k++) {
      ring.put(decision(ring.claim()));
    }
    assertThat(ring.last(100)).extracting(Decision::sequence).hasSize(16).startsWith(39L, 38L);
    assertThat(ring.last(3)).extracting(Decision::sequence).containsExactly(39L, 38L, 37L);
    assertThat(ring.last(0)).isEmpty();
    assertThat(ring.at(23)).isNull();
    assertThat(ring.at(24)).isNotNull();
    long claimed = ring.claim();
    assertThat(ring.last(1)).extracting(Decision::sequence).containsExactly(39L);
    ring.put(decision(claimed));
    assertThat(ring.last(1)).extracting(Decision::sequence).containsExactly(claimed);
    ring.put(decision(claimed - 16));
    assertThat(ring.at(claimed)).as("a late writer does not overwrite").isNotNull();
  }

  private static Decision decision(long sequence) {
    SampleDecision d = new SampleDecision();
    d.sequence = sequence;
    return d.make();
  }

  @Test
  void aSlotThatIsAnothersNowLeadsNowhere() {
    Instance old = instance("a", "http://h:1", 5);
    Target t =
        new Target(
            instance("b", "http://h:2", 5),
            List.of(new Origin(new InetSocketAddress(2), "h:2", "")),
            null);
    RoutingTable table = new RoutingTable(new Fleet(2, List.of(t.instance())), List.of(t), 0);
    assertThat(table.target(old)).isNull();
    assertThat(table.target(instance("b", "http://h:3", 5))).isNull();
    assertThat(table.target(instance("b", "http://h:2", 5))).isEqualTo(t);
    assertThat(table.target(instance("b", "http://h:2", 6))).isNull();
  }

  private static Instance instance(String name, String url, int slot) {
    return new Instance(
        name, "h", 1, url, List.of(), null, -1, 1, Instance.State.ROUTABLE, slot, Map.of());
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "http://h:80, h, 80, ''",
        "http://h, h, 80, ''",
        "http://h/, h, 80, ''",
        "HTTP://my_host:8000/v1/, my_host, 8000, /v1",
        "http://[::1]:9, [::1], 9, ''",
        "http://10.0.0.1:65535/a/b, 10.0.0.1, 65535, /a/b",
        "ftp://h:1, -, 0, ''",
        "http://h:0, -, 0, ''",
        "http://h:65536, -, 0, ''",
        "http://, -, 0, ''",
        "http://a@h:1, -, 0, ''",
        "http://h:1?x, -, 0, ''",
        "http://h:1/a b, -, 0, ''",
        "h:1, -, 0, ''",
      })
  void baseUrlsAreTakenApart(String url, String host, int port, String prefix) {
    assertThat(BaseUrl.parse(url)).isEqualTo(host == null ? null : new BaseUrl(host, port, prefix));
  }

  @Test
  void everyFailureHasAnAnswerInTheWordsThatOldClientsKnow() {
    Map<Failure.Kind, String> said = new EnumMap<>(Failure.Kind.class);
    said.put(Failure.Kind.CONNECT_REFUSED, "503 Service unavailable - connection refused");
    said.put(Failure.Kind.TLS_FAILED, "503 Service unavailable - TLS: why");
    said.put(Failure.Kind.LOCAL, "503 the router is out of resources: why");
    said.put(Failure.Kind.PROXY_FULL, "503 the proxy has no room for the request: why");
    said.put(Failure.Kind.PROXY_ANSWERED, "502 the proxy answered itself: why");
    said.put(Failure.Kind.CONNECT_TIMEOUT, "504 Service timeout");
    said.put(Failure.Kind.TIMEOUT_FIRST_BYTE, "504 Service timeout");
    said.put(Failure.Kind.TIMEOUT_STALLED, "504 Service timeout");
    said.put(Failure.Kind.CLOSED_STALE, "502 Bad gateway - error communicating with service");
    said.put(
        Failure.Kind.CLOSED_BEFORE_ANSWER, "502 Bad gateway - error communicating with service");
    said.put(Failure.Kind.BAD_ANSWER, "502 Bad gateway - error communicating with service: why");
    said.put(Failure.Kind.CLOSED_MID_ANSWER, "502 Failed to read response from service");
    for (Failure.Kind f : Failure.Kind.values()) {
      ApiError e = ApiError.of(new Failure(f, "why"), "i");
      boolean instances = f.side() == Failure.Side.INSTANCE;
      assertThat(e.status() + " " + e.message())
          .isEqualTo(said.get(f) + (instances ? " (instance i)" : ""));
    }
    assertThat(
            ApiError.of(new Failure(Failure.Kind.CONNECT_REFUSED, ""), "i")
                .response("r", ErrorShape.OPENAI)
                .headers()
                .get("retry-after"))
        .isEqualTo("1");
  }
}
