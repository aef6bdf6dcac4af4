package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.router.Said.End;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Streams without a length that end with their connection: whole by their last event, else broken.
class StreamEndsIT {
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

  private void saying(String type, String fields, String body) throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(
              "HTTP/1.1 200 OK\r\nContent-Type: "
                  + type
                  + "\r\n"
                  + fields
                  + "Connection: close\r\n\r\n"
                  + body);
          t.close();
        });
    rig.start();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/v1/chat/completions | data: {}~~ | false",
        "/v1/chat/completions | data: {}~~data: [DONE]~~ | true",
        "/v1/completions | data: {}~~ | false",
        "/v1/messages | event: message_start~data: {}~~ | false",
        "/v1/messages | event: message_stop~data: {}~ | false",
        "/v1/messages | event: message_start~data: {}~~event: message_stop~data: {}~~ | true",
        "/v1/responses | event: response.created~data: {}~~ | false",
        "/v1/responses | event: response.output_text.delta~data: event: response.completed~~ | false",
        "/v1/responses | event: response.completed~data: {}~~ | true",
        "/v1/responses | event: response.incomplete~data: {}~~ | true",
        // nobody has defined how these end
        "/v1/other | data: {}~~ | true",
      })
  void aStreamIsWholeByItsLastEvent(String path, String body, boolean whole) throws Exception {
    saying("text/event-stream", "", body.replace('~', '\n'));
    for (String more : new String[] {"", "\"store\":true,"}) {
      String ask = "{\"model\":\"m\"," + more + "\"stream\":true,\"messages\":[]}";
      Said said = rig.send(Rig.post(path, "", ask));
      assertThat(said.end() == End.WHOLE).isEqualTo(whole);
      rig.outcome(whole ? "ok" : "upstream_gone");
      if (!whole) {
        assertThat(said.body()).contains("stream_interrupted");
      }
    }
  }

  @Test
  void aMediaTypeHasNoCase() throws Exception {
    saying("Text/Event-Stream; charset=utf-8", "", "data: {}\n\n");
    Said said = rig.send(Rig.post(Rig.CHAT, "", Rig.STREAM));
    assertThat(said.body()).contains("stream_interrupted");
  }

  /// Nothing can be read in it or put into it.
  @Test
  void anEncodedStreamPassesAsItCame() throws Exception {
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(zipped)) {
      out.write("data: {}\n\n".getBytes(StandardCharsets.UTF_8));
    }
    String bytes = zipped.toString(StandardCharsets.ISO_8859_1);
    saying("text/event-stream", "Content-Encoding: gzip\r\n", bytes);
    Said said = rig.send(Rig.post(Rig.CHAT, "", Rig.STREAM));
    assertThat(said.body()).isEqualTo(bytes);
    assertThat(said.field("content-encoding")).isEqualTo("gzip");
  }

  @Test
  void whereCommentsMayBeNeededTheStreamIsAskedForPlain() throws Exception {
    ScriptedInstance a = rig.answering("a", (r, n) -> Rig.OK);
    rig.start("sse_comments=5");
    rig.send(Rig.post(Rig.CHAT, "Accept-Encoding: gzip, br\r\n", Rig.STREAM));
    assertThat(Talk.field(a.seen.getFirst(), "accept-encoding", "")).isEqualTo("identity");
    rig.send(Rig.post(Rig.CHAT, "Accept-Encoding: gzip, br\r\n", Rig.BODY));
    assertThat(Talk.field(a.seen.getLast(), "accept-encoding", "")).isEqualTo("gzip, br");
  }
}
