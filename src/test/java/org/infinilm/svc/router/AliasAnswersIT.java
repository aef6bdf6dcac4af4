package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// `--alias-answers name`: answers name the model as their client did.
class AliasAnswersIT {
  private static final String ASK =
      "{\"model\":\"gpt-4\",\"messages\":[],\"input\":\"\",\"stream\":%s}";
  private static final String JSON = "Content-Type: application/json; charset=utf-8\r\n";
  private static final String EVENTS = "Content-Type: text/event-stream\r\n";
  private static final String ANSWER =
      "{\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"model\":\"m\"}],\"usage\":{}}";

  private static final String OPENAI =
      """
      data: {"model":"m","choices":[{"delta":{"content":"\\"model\\":\\"m\\""}}]}

      data: {"choices":[],"model" : "m"}

      data: [DONE]

      """;
  private static final String MESSAGES =
      """
      event: message_start
      data: {"type":"message_start","message":{"id":"a","model":"m","usage":{}}}

      event: message_stop
      data: {"type":"message_stop"}

      """;
  private static final String RESPONSES =
      """
      event: response.created
      data: {"type":"response.created","response":{"id":"a","tools":[{"model":"m"}],"model":"m"}}

      event: response.completed
      data: {"type":"response.completed","response":{"id":"a","model":"m","output":[]}}

      """;

  private static Rig rig(String answer, int pauseMillis, String... settings) throws Exception {
    Rig rig = new Rig();
    rig.instance(
        "a",
        (self, t) -> {
          while (true) {
            self.take(t);
            if (pauseMillis < 0) {
              t.say(answer);
              t.reset();
            } else if (pauseMillis > 0) {
              t.drip(answer, pauseMillis);
            } else {
              t.say(answer);
            }
          }
        });
    String[] all = new String[settings.length + 2];
    System.arraycopy(settings, 0, all, 2, settings.length);
    all[0] = "aliases=gpt-4=m";
    all[1] = "alias_answers=name";
    return rig.start(all);
  }

  private static String chunked(String fields, String body, int size) {
    StringBuilder b =
        new StringBuilder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n");
    for (int from = 0; from < body.length(); from += size) {
      String piece = body.substring(from, Math.min(body.length(), from + size));
      b.append(Integer.toHexString(piece.length())).append("\r\n").append(piece).append("\r\n");
    }
    return b.append("0\r\n\r\n").toString();
  }

  private static Said ask(Rig rig, String path, boolean stream) throws IOException {
    return rig.send(Rig.post(path, "Accept-Encoding: gzip\r\n", ASK.formatted(stream)));
  }

  @ParameterizedTest
  @CsvSource({
    "/v1/chat/completions,200",
    "/v1/completions,200",
    "/v1/embeddings,200",
    "/v1/responses,200",
    "/v1/messages,200",
    "/v1/rerank,200",
    "/v1/chat/completions,404"
  })
  void anObjectOfAKnownLengthIsFramedAnew(String path, int status) throws Exception {
    String digest = "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n";
    try (Rig rig = rig(Rig.answer(status, JSON + digest, ANSWER), 0)) {
      Said said = ask(rig, path, false);
      assertThat(said.status()).isEqualTo(status);
      assertThat(said.end()).isEqualTo(Said.End.WHOLE);
      assertThat(said.body()).isEqualTo(ANSWER.replaceFirst(":\"m\"", ":\"gpt-4\""));
      assertThat(said.head())
          .doesNotContainIgnoringCase("content-length")
          .doesNotContainIgnoringCase("content-md5");
      assertThat(rig.instances.getFirst().seen)
          .singleElement()
          .asString()
          .containsIgnoringCase("accept-encoding: identity\r\n")
          .contains("\"model\":\"m\"");
      rig.quiet();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "/v1/chat/completions,0",
    "/v1/chat/completions,1",
    "/v1/completions,1",
    "/v1/messages,1",
    "/v1/responses,1"
  })
  void eachEventOfAStreamHoweverItIsCut(String path, int pauseMillis) throws Exception {
    String stream =
        path.endsWith("messages") ? MESSAGES : path.endsWith("responses") ? RESPONSES : OPENAI;
    String expected =
        switch (path) {
          case "/v1/messages" -> stream.replace("\"model\":\"m\"", "\"model\":\"gpt-4\"");
          case "/v1/responses" ->
              stream
                  .replace("\"model\":\"m\"}}", "\"model\":\"gpt-4\"}}")
                  .replace("\"model\":\"m\",", "\"model\":\"gpt-4\",");
          default ->
              stream
                  .replace("{\"model\":\"m\"", "{\"model\":\"gpt-4\"")
                  .replace("\"model\" : \"m\"", "\"model\" : \"gpt-4\"");
        };
    for (int size : new int[] {3, 10_000}) {
      try (Rig rig = rig(chunked(EVENTS, stream, size), pauseMillis)) {
        Said said = ask(rig, path, true);
        assertThat(said.ok()).isTrue();
        assertThat(said.body()).isEqualTo(expected);
        rig.outcome("ok");
        rig.quiet();
      }
    }
  }

  @Test
  void whoAsksByTheModelsOwnNameGetsTheAnswerAsItIs() throws Exception {
    try (Rig rig = rig(Rig.answer(200, JSON, ANSWER), 0)) {
      Said said = rig.chat();
      assertThat(said.body()).isEqualTo(ANSWER);
      assertThat(said.field("content-length")).isEqualTo(Integer.toString(ANSWER.length()));
      assertThat(rig.instances.getFirst().seen.getFirst()).doesNotContain("identity");
    }
  }

  @Test
  void anAnswerInACodingOrOfAnotherTypeGoesOnAsItIs() throws Exception {
    for (String fields :
        new String[] {JSON + "Content-Encoding: gzip\r\n", "Content-Type: audio/mpeg\r\n", ""}) {
      try (Rig rig = rig(Rig.answer(200, fields, ANSWER), 0)) {
        Said said = ask(rig, Rig.CHAT, false);
        assertThat(said.body()).isEqualTo(ANSWER);
        assertThat(said.field("content-length")).isEqualTo(Integer.toString(ANSWER.length()));
      }
    }
  }

  /// What was held back of a value comes before the break, which stays one.
  @Test
  void anAnswerThatBreaksInsideAValueEndsAsItCame() throws Exception {
    String told = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n" + JSON + "\r\n{\"model\":\"ab";
    try (Rig rig = rig(told, -1)) {
      Said said = ask(rig, Rig.CHAT, false);
      assertThat(said.end()).isNotEqualTo(Said.End.WHOLE);
      assertThat(said.body()).isEqualTo("{\"model\":\"ab");
      rig.outcome("upstream_gone");
    }
    String stream = "HTTP/1.1 200 OK\r\n" + EVENTS + "\r\ndata: {\"model\":\"ab";
    try (Rig rig = rig(stream, -1)) {
      Said said = ask(rig, Rig.CHAT, true);
      assertThat(said.end()).isNotEqualTo(Said.End.WHOLE);
      assertThat(said.body()).startsWith("data: {\"model\":\"ab\n\ndata: {\"error\":");
    }
  }

  @Test
  void aClientOfHttp10GetsItsAnswerByTheEndOfTheConnection() throws Exception {
    try (Rig rig = rig(Rig.answer(200, JSON, ANSWER), 0);
        Socket s = rig.connect()) {
      String request = Rig.post(Rig.CHAT, "", ASK.formatted(false)).replace("HTTP/1.1", "HTTP/1.0");
      s.getOutputStream().write(request.getBytes(ISO_8859_1));
      Said said = Said.read(s.getInputStream());
      assertThat(said.ok()).isTrue();
      assertThat(said.body()).startsWith("{\"id\":\"x\",\"model\":\"gpt-4\",").endsWith("}");
    }
  }

  /// Comments of ours stand between events, whose lengths have changed.
  @Test
  void commentsAndNamesGoTogether() throws Exception {
    try (Rig rig = rig(chunked(EVENTS, OPENAI, 40), 3, "sse_comments=0.25")) {
      Said said = ask(rig, Rig.CHAT, true);
      assertThat(said.ok()).isTrue();
      assertThat(said.body().replace(": waiting\n\n", ""))
          .isEqualTo(
              OPENAI
                  .replace("{\"model\":\"m\"", "{\"model\":\"gpt-4\"")
                  .replace("\"model\" : \"m\"", "\"model\" : \"gpt-4\""));
    }
  }
}
