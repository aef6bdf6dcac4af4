package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What passes from client to instance and back, field by field (RFC 9110 sections 6.5, 7.6, 8.6).
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class WireSemanticsIT {
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  private RawInstance instance;
  private RawRouter router;

  private void route(String path, RawInstance.Script script) throws Exception {
    instance = new RawInstance("m", script);
    router = RawRouter.of(Map.of(), List.of("http://127.0.0.1:" + instance.port() + path)).ready();
  }

  @AfterEach
  void end() throws Exception {
    router.idle();
    router.close();
    instance.close();
  }

  @Test
  void trailersReachClientsThatTakeThem() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                    + "2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\r\n"));
    String plain = router.raw(RawRouter.post("/v1/completions", "m", "Connection: close\r\n"));
    assertThat(plain).endsWith("2\r\nok\r\n0\r\n\r\n");
    String te =
        router.raw(
            RawRouter.post(
                "/v1/completions", "m", "TE: gzip;q=0, trailers\r\nConnection: close, TE\r\n"));
    assertThat(te).endsWith("2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n");
    assertThat(instance.seen)
        .hasSize(2)
        .allSatisfy(r -> assertThat(r).doesNotContainIgnoringCase("\r\nte:"));
  }

  private static final String TRAILED =
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close, x-one\r\n"
          + "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"model\":\"m\"}\r\n0\r\n"
          + "X-Sum: 7\r\nX-One: 1\r\nCookie: a=b\r\nContent-Length: 9\r\nX-End: z\r\n\r\n";

  /// RFC 9112 section 6.1: no chunks for a server that is not known to take them.
  @Test
  void anInstanceThatAnswersInHttp10GetsALengthAndNoTrailers() throws Exception {
    AtomicBoolean newer = new AtomicBoolean();
    route(
        "",
        (r, s) -> {
          RawInstance.write(s, newer.get() ? OK : OK.replace("/1.1", "/1.0"));
          if (!newer.get()) {
            s.close();
          }
        });
    String plain = RawRouter.post("/v1/completions", "m", "Connection: close\r\n");
    router.raw(plain);
    router.raw(TRAILED);
    assertThat(instance.seen.getLast())
        .containsIgnoringCase("\r\ncontent-length: 13\r\n")
        .doesNotContainIgnoringCase("transfer-encoding", "trailer", "x-sum");
    newer.set(true);
    router.raw(plain);
    router.raw(TRAILED);
    assertThat(instance.seen.getLast()).endsWith("\r\n0\r\nX-Sum: 7\r\nX-End: z\r\n\r\n");
  }

  /// What an answer's Connection names, and what the router says itself, is no trailer either.
  @Test
  void trailersOfAnAnswerCannotSayWhatItsHeadMayNot() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-one\r\n\r\n"
                    + "2\r\nok\r\n0\r\nX-One: 1\r\nx-infini-instance: no\r\nX-Request-Id: no\r\nX-Sum: 7\r\n\r\n"));
    String te =
        router.raw(
            RawRouter.post("/v1/completions", "m", "TE: trailers\r\nConnection: close, TE\r\n"));
    assertThat(te).endsWith("2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n");
  }

  /// RFC 9110 section 7.6.3: the version is that of the message that was received.
  @Test
  void viaSaysInWhichVersionTheRequestCame() throws Exception {
    route("", (r, s) -> RawInstance.write(s, OK));
    router.raw("GET /v1/x HTTP/1.0\r\nVia: 1.1 one\r\n\r\n");
    router.raw("GET /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assertThat(instance.seen.get(0)).containsPattern("\r\n(?i:via): 1\\.1 one, 1\\.0 infini-");
    assertThat(instance.seen.get(1)).containsPattern("\r\n(?i:via): 1\\.1 infini-");
  }

  /// Bytes from 0x80 on in values are opaque (RFC 9110 section 5.5): they pass as they came.
  @Test
  void valuesPassByteForByte() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                "HTTP/1.1 200 OK\r\nX-Name: \u00e4\u00ff\u0080\tb\r\nContent-Length: 2\r\n\r\nok"));
    String answer =
        router.raw(
            RawRouter.post(
                "/v1/completions",
                "m",
                "X-User: \u00e9\u00c3\u00a9\r\nVia: 1.1 \u00e9\r\nConnection: close\r\n"));
    assertThat(instance.seen.getFirst()).contains("X-User: \u00e9\u00c3\u00a9\r\n");
    assertThat(instance.seen.getFirst()).as("what is continued too").contains(": 1.1 \u00e9, 1.1 ");
    assertThat(answer).contains("X-Name: \u00e4\u00ff\u0080\tb\r\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "POST | '' | true",
        "POST | 'Content-Length: 0~' | true",
        "POST | 'Transfer-Encoding: chunked~' | true",
        "PUT | '' | true",
        "PATCH | '' | true",
        "GET | '' | false",
        "DELETE | '' | false",
        "GET | 'Content-Length: 0~' | true",
      })
  void aRequestWithoutABodySaysSoWhereServersAsk(String method, String fields, boolean said)
      throws Exception {
    route("", (r, s) -> RawInstance.write(s, OK));
    String end = fields.startsWith("Transfer") ? "0\r\n\r\n" : "";
    router.raw(
        method
            + " /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            + fields.replace("~", "\r\n")
            + "\r\n"
            + end);
    String seen = instance.seen.getFirst().toLowerCase(Locale.ROOT);
    assertThat(seen.contains("\r\ncontent-length: 0\r\n")).isEqualTo(said);
    assertThat(seen).doesNotContain("transfer-encoding");
  }

  @ParameterizedTest
  @CsvSource({
    "'', /v1/chat/completions, /v1/chat/completions",
    "/v1, /v1/chat/completions, /v1/chat/completions",
    "/v1/, /v1/files?x=1, /v1/files?x=1",
    "/v1, /tokenize, /tokenize",
  })
  void aBaseUrlThatEndsInV1MeansWhatSdksMean(String base, String asked, String sent)
      throws Exception {
    route(base, (r, s) -> RawInstance.write(s, OK));
    router.raw("GET " + asked + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertThat(instance.seen.getFirst()).startsWith("GET " + sent + " HTTP/1.1\r\n");
  }

  @Test
  void redirectsAndOddStatusesAreRelayed() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                r.contains("/moved")
                    ? "HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
                    : "HTTP/1.1 418 Short And Stout\r\nContent-Length: 2\r\n\r\nok"));
    String get = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assertThat(router.raw("GET /moved" + get))
        .startsWith("HTTP/1.1 307 Elsewhere\r\n")
        .contains("Location: /there\r\n");
    assertThat(router.raw("GET /pot" + get)).startsWith("HTTP/1.1 418 Short And Stout\r\n");
  }

  @Test
  void informationalAnswersAreSwallowed() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                "HTTP/1.1 100 Continue\r\n\r\n"
                    + "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                    + OK));
    try (Socket c = router.connect()) {
      for (int k = 0; k < 2; k++) {
        RawInstance.write(c, RawRouter.post("/v1/completions", "m", ""));
        assertThat(RawInstance.read(c.getInputStream()))
            .startsWith("HTTP/1.1 200 OK\r\n")
            .doesNotContain("Link")
            .endsWith("ok");
      }
    }
    assertThat(instance.connections.get()).isEqualTo(1);
  }

  /// What Connection names belongs to one connection, in answers too.
  @Test
  void hopByHopFieldsOfAnswersEndHere() throws Exception {
    route(
        "",
        (r, s) ->
            RawInstance.write(
                s,
                "HTTP/1.1 200 OK\r\nConnection: X-Private, close\r\nX-Private: 1\r\nKeep-Alive: x\r\n"
                    + "Upgrade: h2c\r\nProxy-Authenticate: y\r\nX-Public: 2\r\nContent-Length: 2\r\n\r\nok"));
    String all =
        router
            .raw(RawRouter.post("/v1/completions", "m", "Connection: close\r\n"))
            .toLowerCase(Locale.ROOT);
    assertThat(all).contains("x-public: 2").endsWith("ok");
    assertThat(all).doesNotContain("x-private", "keep-alive", "upgrade", "proxy-authenticate");
  }

  /// An instance that refuses a request before it has read it resets the rest of it.
  @Test
  void anAnswerIsNotLostToTheResetBehindIt() throws Exception {
    route(
        "",
        (r, s) -> {
          RawInstance.write(s, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
          s.close();
        });
    String body = "{\"model\":\"m\",\"x\":\"" + "a".repeat(5_000_000) + "\"}";
    for (int k = 0; k < 20; k++) {
      assertThat(
              router.raw(
                  "POST /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                      + body.length()
                      + "\r\n\r\n"
                      + body))
          .startsWith("HTTP/1.1 413");
    }
  }
}
