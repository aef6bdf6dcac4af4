package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Streams whose instance says nothing for a while, with `sse_comments` on.
class QuietStreamIT {
  private static final String COMMENTS = "sse_comments=0.25";
  private static final String COMMENT = ": waiting\n\n";
  private static final String HEAD =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  private static final String EVENT = "9\r\ndata: a\n\n\r\n";
  private static final String END = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
  private static final String STREAM = "{\"model\":\"m\",\"stream\":true}";

  /// The instance goes on when the client has seen what the test waits for.
  private final Semaphore goOn = new Semaphore(0);

  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    rig.quiet();
    rig.close();
  }

  /// Sends a streaming request; each time all of a step was read, the instance goes on; returns
  /// everything that came.
  private String ask(String... steps) throws IOException {
    try (Socket s = rig.connect()) {
      String post = Rig.post(Rig.CHAT, "Connection: close\r\n", STREAM);
      s.getOutputStream().write(post.getBytes(ISO_8859_1));
      InputStream in = s.getInputStream();
      StringBuilder all = new StringBuilder();
      int from = 0;
      for (String step : steps) {
        while (all.indexOf(step, from) < 0) {
          int c = in.read();
          assertThat(c).as("after " + all).isNotNegative();
          all.append((char) c);
        }
        from = all.length();
        goOn.release();
      }
      return all + new String(in.readAllBytes(), ISO_8859_1);
    }
  }

  @Test
  void aSilentPrefillIsBridgedByCommentsAndTheStreamFollows() throws Exception {
    rig.answering(
        "a",
        (r, n) -> {
          goOn.acquire(2);
          return HEAD + EVENT + END;
        });
    rig.start(COMMENTS);
    String said = ask(COMMENT, COMMENT);
    assertThat(said).startsWith("HTTP/1.1 200 OK\r\n").containsIgnoringCase("x-request-id: ");
    assertThat(said.split("HTTP/1.1", -1)).hasSize(2);
    assertThat(said).containsSubsequence("data: a\n\n", "data: [DONE]\n\n").endsWith("0\r\n\r\n");
    rig.outcome("ok");
  }

  @Test
  void aHeadWithoutEventsAndAPauseBetweenEventsAreBridgedToo() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(HEAD);
          goOn.acquire();
          t.say(EVENT);
          goOn.acquire();
          t.say(END);
          t.hang();
        });
    rig.start(COMMENTS);
    String said = ask(COMMENT, "data: a\n\n" + "\r\nb\r\n" + COMMENT);
    assertThat(said.split("HTTP/1.1", -1)).hasSize(2);
    assertThat(said).contains("data: [DONE]\n\n").endsWith("0\r\n\r\n");
  }

  @Test
  void noCommentStandsInsideAnEvent() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(HEAD);
          t.say("6\r\ndata: \r");
          // its last byte, then several times the silence after which a comment may come
          t.drip("\n", 1000);
          t.say("3\r\na\n\n\r\n" + END);
          t.hang();
        });
    rig.start(COMMENTS);
    String said = ask();
    assertThat(said.substring(said.indexOf("data: "))).doesNotContain(COMMENT);
    assertThat(said.replaceAll("\r\n[0-9a-f]+\r\n", "")).contains("data: a\n\n");
  }

  @Test
  void anErrorAfterTheHeadIsAnEventAndNoLastChunk() throws Exception {
    String error = "{\"error\":\n{\"message\":\"too long\"}}";
    rig.answering(
        "a",
        (r, n) -> {
          goOn.acquire();
          return "HTTP/1.1 400 X\r\nContent-Length: " + error.length() + "\r\n\r\n" + error;
        });
    rig.start(COMMENTS);
    assertThat(ask(COMMENT))
        .contains("data: {\"error\":{\"message\":\"too long\"}}\n\n")
        .doesNotContain("\r\n0\r\n\r\n");
    rig.outcome("client_error");
  }

  @Test
  void anInstanceThatDiesInSilenceIsReplacedInsideTheStream() throws Exception {
    ScriptedInstance.Script dies =
        (self, t) -> {
          self.take(t);
          if (rig.instances.stream().mapToInt(i -> i.seen.size()).sum() == 1) {
            goOn.acquire();
            t.reset();
          } else {
            t.say(HEAD + END);
            t.hang();
          }
        };
    rig.instance("a", dies);
    rig.instance("b", dies);
    rig.start(COMMENTS);
    assertThat(ask(COMMENT)).contains("data: [DONE]\n\n").endsWith("0\r\n\r\n");
    rig.outcome("ok");
    assertThat(rig.newest().path("attempts").asInt()).isEqualTo(2);
  }

  @Test
  void whenNobodyIsLeftTheStreamSaysSo() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          goOn.acquire();
          self.dies();
        });
    rig.start(COMMENTS);
    assertThat(ask(COMMENT)).contains("data: {\"error\":{").doesNotContain("\r\n0\r\n\r\n");
  }

  @Test
  void requestsThatDoNotStreamWaitInSilence() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.drip("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 20);
          t.hang();
        });
    rig.start(COMMENTS);
    assertThat(rig.chat().toString()).doesNotContain("waiting");
  }
}
