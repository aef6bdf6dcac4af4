package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import org.junit.jupiter.api.Test;

/// Event streams whose length the instance has told: no byte of ours may stand in them.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class ToldLengthIT {
  private static final String HEAD =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ";

  /// All that comes over a connection of its own.
  private static String ask(Rig rig) throws Exception {
    try (Socket s = rig.connect()) {
      String post = Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.STREAM);
      s.getOutputStream().write(post.getBytes(ISO_8859_1));
      return new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  @Test
  void oneThatBreaksIsSeenToBeShort() throws Exception {
    try (Rig rig = new Rig()) {
      rig.instance(
          "a",
          (self, t) -> {
            self.take(t);
            t.say(HEAD + "100\r\n\r\ndata: a\n\n");
            t.close();
          });
      rig.start();
      assertThat(ask(rig))
          .containsIgnoringCase("content-length: 100")
          .endsWith("\r\n\r\ndata: a\n\n");
      rig.outcome("upstream_gone");
    }
  }

  @Test
  void oneThatIsSilentGetsNoComments() throws Exception {
    String body = "data: a\n\ndata: b\n\ndata: [DONE]\n\n";
    try (Rig rig = new Rig()) {
      rig.instance(
          "a",
          (self, t) -> {
            self.take(t);
            t.say(HEAD + body.length() + "\r\n\r\ndata: a\n");
            t.drip("\n", 900);
            t.say("data: b\n\ndata: [DONE]\n\n");
            t.hang();
          });
      rig.start("sse_comments=0.25");
      assertThat(ask(rig)).endsWith("\r\n\r\n" + body);
      rig.outcome("ok");
    }
  }
}
