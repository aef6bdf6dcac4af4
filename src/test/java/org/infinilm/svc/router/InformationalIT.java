package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.net.Socket;
import java.util.Locale;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Answers of 1xx before the answer (RFC 9110 section 15.2), where they are asked for.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class InformationalIT {
  private static final String RELAY = "informational=relay";
  private static final String HINT =
      "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: x-one\r\nX-One: 1\r\nKeep-Alive: 5\r\n"
          + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n";
  private static final String PASSED = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";

  private final Semaphore goOn = new Semaphore(0);
  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.quiet();
    rig.close();
  }

  /// All that comes; when it has been read up to `step`, the instance goes on.
  private String ask(String request, String step) throws Exception {
    try (Socket s = rig.connect()) {
      s.getOutputStream().write(request.getBytes(ISO_8859_1));
      InputStream in = s.getInputStream();
      StringBuilder all = new StringBuilder();
      while (all.indexOf(step) < 0) {
        int c = in.read();
        assertThat(c).as("after " + all).isNotNegative();
        all.append((char) c);
      }
      goOn.release();
      return all + new String(in.readAllBytes(), ISO_8859_1);
    }
  }

  private static String post() {
    return Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.BODY);
  }

  private void saying(String name, String first, String then) throws Exception {
    rig.instance(
        name,
        (self, t) -> {
          self.take(t);
          t.say(first);
          goOn.acquire();
          t.say(then);
          t.hang();
        });
  }

  /// 102, 103 and those that nobody knows, at once; 100 ends here; fields of the connection and of
  /// framing are not theirs.
  @Test
  void theyComeBeforeTheAnswerAndAtOnce() throws Exception {
    saying(
        "a",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 \r\nX: \u00e4\r\n\r\n"
            + HINT,
        Rig.OK);
    rig.start(RELAY);
    String all = ask(post(), PASSED);
    assertThat(all)
        .startsWith(
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 \r\nX: \u00e4\r\n\r\n"
                + PASSED
                + "HTTP/1.1 200 OK\r\n")
        .endsWith("\r\n\r\nok")
        .doesNotContain("100 Continue");
  }

  @Test
  void theyComeBeforeAnAnswerInChunksAndOneToAHead() throws Exception {
    rig.answering(
        "a",
        (r, n) ->
            HINT
                + "HTTP/1.1 200 OK\r\n"
                + (r.startsWith("HEAD")
                    ? "Content-Length: 2\r\n\r\n"
                    : "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
    rig.start(RELAY);
    goOn.release(2);
    assertThat(ask(post(), "200 OK")).startsWith(PASSED).endsWith("2\r\nok\r\n0\r\n\r\n");
    String head = "HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assertThat(ask(head, "200 OK")).startsWith(PASSED + "HTTP/1.1 200 OK\r\n").endsWith("\r\n\r\n");
  }

  @Test
  void byDefaultTheyEndHere() throws Exception {
    rig.answering("a", (r, n) -> HINT + Rig.OK);
    rig.start();
    assertThat(ask(post(), "200 OK"))
        .startsWith("HTTP/1.1 200 OK\r\n")
        .doesNotContain("103", "Link");
  }

  @Test
  void aClientOfHttp10GetsNone() throws Exception {
    rig.answering("a", (r, n) -> HINT + Rig.OK);
    rig.start(RELAY);
    assertThat(ask(post().replace("HTTP/1.1", "HTTP/1.0"), "200 OK"))
        .startsWith("HTTP/1.1 200 OK\r\n")
        .doesNotContain("103", "Link");
  }

  /// Each request sent ahead has its own, and the connection goes on.
  @Test
  void theyStandBeforeTheirOwnAnswer() throws Exception {
    rig.answering(
        "a", (r, n) -> (r.contains("/two") ? HINT.replace("</x>", "</two>") : HINT) + Rig.OK);
    rig.start(RELAY);
    String get = " HTTP/1.1\r\nHost: x\r\n";
    String all =
        ask("GET /one" + get + "\r\nGET /two" + get + "Connection: close\r\n\r\n", "</two>");
    assertThat(all.split("HTTP/1.1 "))
        .extracting(s -> s.length() < 3 ? "" : s.substring(0, 3))
        .containsExactly("", "103", "200", "103", "200");
    assertThat(all.indexOf("</two>")).isGreaterThan(all.indexOf("200 OK"));
  }

  @Test
  void theyComeFromEachInstanceThatIsAsked() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(HINT.replace("</x>", "</a>"));
          t.close();
        });
    rig.answering("b", (r, n) -> HINT.replace("</x>", "</b>") + Rig.OK);
    rig.start(RELAY);
    boolean twice = false;
    for (int k = 0; k < 8 && !twice; k++) {
      String all = ask(post(), "200 OK");
      assertThat(all).contains(PASSED.replace("</x>", "</b>") + "HTTP/1.1 200 OK\r\n");
      twice = all.startsWith(PASSED.replace("</x>", "</a>"));
    }
    assertThat(twice).isTrue();
  }

  /// The head waits for the first byte of its body; what came before it does not.
  @Test
  void theyComeWhileTheHeadOfTheAnswerIsHeld() throws Exception {
    saying("a", HINT + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok");
    rig.start(RELAY);
    assertThat(ask(post(), PASSED)).startsWith(PASSED + "HTTP/1.1 200 OK\r\n").endsWith("ok");
  }

  @Test
  void noneComesIntoAStreamThatHasBegun() throws Exception {
    saying(
        "a",
        "",
        HINT
            + "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    rig.start(RELAY, "sse_comments=0.25");
    String all = ask(Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.STREAM), ": waiting");
    assertThat(all.toLowerCase(Locale.ROOT))
        .startsWith("http/1.1 200 ok")
        .doesNotContain("103", "link")
        .endsWith("data: [done]\n\n\r\n0\r\n\r\n");
  }

  @Test
  void sixteenAreEnough() throws Exception {
    rig.answering("a", (r, n) -> HINT.repeat(17) + Rig.OK);
    rig.start(RELAY);
    String all = ask(post(), "HTTP/1.1 502");
    assertThat(all).startsWith(PASSED.repeat(16) + "HTTP/1.1 502 ");
  }

  @Test
  void aSwitchOfProtocolsIsStillNoAnswer() throws Exception {
    rig.answering("a", (r, n) -> "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    rig.start(RELAY);
    assertThat(ask(post(), "HTTP/1.1 ")).startsWith("HTTP/1.1 502 ");
  }
}
