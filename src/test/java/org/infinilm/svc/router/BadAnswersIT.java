package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.InputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.http.BadAnswers;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Answers that read two ways, through a router: its client gets one well-formed message of the
/// router's own, or sees the answer break; never the instance's second one.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class BadAnswersIT {
  private static final String OWN = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown";
  private static final String INJECTED = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nINJECTED";
  private static final List<RawInstance> INSTANCES = new ArrayList<>();
  private static RawRouter router;

  /// One instance, and one model, for each case: what one of them does says nothing of the others.
  @BeforeAll
  static void start() throws Exception {
    List<String> specs = new ArrayList<>();
    for (int k = 0; k < BadAnswers.ALL.size(); k++) {
      String bytes = BadAnswers.ALL.get(k).bytes();
      add(
          specs,
          "m" + k,
          (r, s) -> {
            RawInstance.write(s, bytes);
            s.shutdownOutput();
            s.getInputStream().readAllBytes();
          });
    }
    add(
        specs,
        "tail",
        (r, s) -> {
          if (r.contains(" /own ")) {
            RawInstance.write(s, OWN);
          } else {
            String head = r.substring(r.indexOf("x-answer: ") + 10);
            RawInstance.write(
                s, head.substring(0, head.indexOf("\r\n")).replace("~", "\r\n") + INJECTED);
          }
        });
    router = RawRouter.of(Map.of(), specs).ready();
  }

  private static void add(List<String> specs, String model, RawInstance.Script script)
      throws Exception {
    RawInstance i = new RawInstance(model, script);
    INSTANCES.add(i);
    specs.add("http://127.0.0.1:" + i.port() + ",name=" + model);
  }

  @AfterAll
  static void end() throws Exception {
    router.idle();
    router.close();
    for (RawInstance i : INSTANCES) {
      i.close();
    }
  }

  static List<BadAnswers.Case> cases() {
    return BadAnswers.ALL;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void aBadAnswerIsOneErrorOrAVisibleBreak(BadAnswers.Case c) throws Exception {
    int k = BadAnswers.ALL.indexOf(c);
    String all =
        router.raw(RawRouter.post("/v1/chat/completions", "m" + k, "Connection: close\r\n"));
    String lower = all.toLowerCase(Locale.ROOT);
    assertThat(lower.split("(^|\n)http/1\\.[01] \\d", -1)).hasSize(2);
    if (all.startsWith("HTTP/1.1 200")) {
      assertThat(lower).contains("transfer-encoding: chunked");
      assertThat(all).doesNotContain("\r\n0\r\n");
    } else {
      assertThat(all)
          .startsWith("HTTP/1.1 502")
          .contains("error communicating")
          .contains(c.detail());
      String body = all.substring(all.indexOf("\r\n\r\n") + 4);
      assertThat(lower).contains("content-length: " + body.length());
    }
  }

  /// The bytes after an answer's end never reach the client that waits next.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "POST | HTTP/1.1 200 OK~Content-Length: 2~~ok",
        "POST | HTTP/1.1 200 OK~Content-Length: 0~~",
        "POST | HTTP/1.1 200 OK~Transfer-Encoding: chunked~~2~ok~0~~",
        "POST | HTTP/1.1 204 No Content~~",
        "POST | HTTP/1.1 304 Not Modified~Content-Length: 2~~",
        "POST | HTTP/1.1 205 Reset~Content-Length: 46~~",
        "POST | HTTP/1.1 205 Reset~Transfer-Encoding: chunked~~0~~",
        "HEAD | HTTP/1.1 200 OK~Content-Length: 46~~",
        "HEAD | HTTP/1.1 200 OK~Transfer-Encoding: chunked~~",
      })
  void whatFollowsAnAnswerIsNobodysAnswer(String method, String answer) throws Exception {
    try (Socket s = router.connect()) {
      RawInstance.write(
          s,
          RawRouter.post("/odd", "tail", "x-answer: " + answer + "\r\n")
                  .replace("POST ", method + " ")
              + RawRouter.post("/own", "tail", "Connection: close\r\n"));
      InputStream in = s.getInputStream();
      String all = new String(in.readAllBytes(), ISO_8859_1);
      assertThat(all).doesNotContain("INJECTED");
      assertThat(all).endsWith("own");
      assertThat(all.split("HTTP/1\\.1 ", -1)).hasSize(3);
    }
  }

  @Test
  void strayBytesShowInTheMetrics() throws Exception {
    String close = "Connection: close\r\n";
    router.raw(
        RawRouter.post(
            "/odd", "tail", "x-answer: HTTP/1.1 200 OK~Content-Length: 0~~\r\n" + close));
    await()
        .atMost(RawRouter.SOON)
        .untilAsserted(() ->
            assertThat(router.raw("GET /metrics HTTP/1.1\r\nHost: x\r\n" + close + "\r\n"))
                .containsPattern("infini_router_faults_total\\{kind=\".*BadAnswer\"} [1-9]"));
  }
}
