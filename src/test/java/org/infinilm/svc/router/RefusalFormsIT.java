package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.Socket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Requests that are refused before their body is there: in the form of their route, and at once.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RefusalFormsIT {
  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.good("a");
    rig.start("max_body_bytes=100000", "body_timeout=1");
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
  }

  /// Sends what is no whole request; nothing follows.
  private Said said(String start) throws Exception {
    try (Socket s = rig.connect()) {
      s.getOutputStream().write(start.getBytes(ISO_8859_1));
      return Said.read(s.getInputStream());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "413, Content-Length: 200000",
    "417, Expect: foo",
    "501, Connection: upgrade@Upgrade: websocket",
    "408, Content-Length: 5",
    "400, Transfer-Encoding: chunked@@zz",
  })
  void aRouteIsRefusedInItsOwnForm(int status, String fields) throws Exception {
    String rest = " HTTP/1.1\r\nHost: x\r\n" + fields.replace("@", "\r\n") + "\r\n\r\n";
    Said messages = said("POST /v1/messages?beta=1" + rest);
    assertThat(messages.status()).isEqualTo(status);
    assertThat(messages.body()).contains("\"type\":\"error\"").doesNotContain("\"param\"");
    Said absolute = said("POST http://y/v1/messages" + rest);
    assertThat(absolute.body()).contains("\"type\":\"error\"").doesNotContain("\"param\"");
    Said chat = said("POST /v1/chat/completions" + rest);
    assertThat(chat.status()).isEqualTo(status);
    assertThat(chat.body()).contains("\"param\":null").doesNotContain("\"type\":\"error\"");
    // one line and one decision a request, whoever refused it
    JsonNode d = rig.decision(chat.field("x-request-id"));
    assertThat(d.path("path").asText()).isEqualTo("/v1/chat/completions");
    assertThat(d.path("status").asInt()).isEqualTo(status);
  }

  @Test
  void anOwnRouteReadsNoLargeBody() throws Exception {
    String large = " HTTP/1.1\r\nHost: x\r\nContent-Length: 99000\r\n\r\n";
    Said post = said("POST /health" + large);
    assertThat(post.status()).isEqualTo(405);
    assertThat(post.field("allow")).isEqualTo("GET,HEAD");
    assertThat(post.field("x-request-id")).isNotEmpty();
    assertThat(said("GET /v1/models" + large).status()).isEqualTo(413);
    String chunk = "8000\r\n" + "a".repeat(0x8000) + "\r\n";
    Said chunked =
        said(
            "PUT /services HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + chunk.repeat(3));
    assertThat(chunked.status()).isEqualTo(405);
    assertThat(said("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").status())
        .isEqualTo(200);
    assertThat(said("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").status())
        .isEqualTo(405);
  }
}
