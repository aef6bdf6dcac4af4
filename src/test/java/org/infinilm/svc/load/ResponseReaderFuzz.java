package org.infinilm.svc.load;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.util.SplittableRandom;
import org.infinilm.svc.load.ResponseReader.Nonsense;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseReaderFuzz {
  /// Writes down what came.
  private static final class Log implements ResponseReader.Sink {
    final StringBuilder head = new StringBuilder();
    final ByteArrayOutputStream body = new ByteArrayOutputStream();
    String end = "";

    @Override
    public void status(int status, String reason) {
      head.append(status).append(' ').append(reason).append('|');
    }

    @Override
    public void field(String name, String value) {
      head.append(name).append('=').append(value).append('|');
    }

    @Override
    public void body(byte[] bytes, int from, int to) {
      body.write(bytes, from, to - from);
    }

    @Override
    public void complete(boolean keepAlive) {
      end = keepAlive ? "keep" : "close";
    }
  }

  private static Log read(String wire, boolean close, SplittableRandom random) throws Nonsense {
    Log log = new Log();
    ResponseReader reader = new ResponseReader(log);
    reader.begin();
    byte[] bytes = wire.getBytes(UTF_8);
    int at = 0;
    while (at < bytes.length) {
      int to = Math.min(bytes.length, at + random.nextInt(1, 30));
      reader.feed(bytes, at, to);
      at = to;
    }
    if (close) {
      reader.closed();
    }
    return log;
  }

  private static String chunked(String body, SplittableRandom random) {
    StringBuilder out = new StringBuilder();
    byte[] b = body.getBytes(UTF_8);
    int at = 0;
    while (at < b.length) {
      int to = Math.min(b.length, at + random.nextInt(1, 40));
      out.append(Integer.toHexString(to - at)).append(random.nextInt(5) == 0 ? ";x=1" : "");
      out.append("\r\n").append(new String(b, at, to - at, UTF_8)).append("\r\n");
      at = to;
    }
    return out + "0\r\n" + (random.nextBoolean() ? "X-Trailer: 1\r\n" : "") + "\r\n";
  }

  @Test
  void anyCutAndAnyFramingGivesTheSameBody() throws Exception {
    SplittableRandom random = new SplittableRandom(7);
    for (int round = 0; round < 2000; round++) {
      String body = "data: x\n\n".repeat(random.nextInt(1, 30)) + "end";
      int framing = random.nextInt(3);
      String interim = random.nextInt(4) == 0 ? "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" : "";
      String frame =
          framing == 0
              ? "Content-Length: " + body.length() + "\r\n"
              : framing == 1 ? "Transfer-Encoding: chunked\r\n" : "";
      String wire =
          interim
              + "HTTP/1.1 200 OK\r\nX-Infini-Pool:  paged \r\n"
              + frame
              + "\r\n"
              + (framing == 1 ? chunked(body, random) : body);
      Log log = read(wire, framing == 2, random);
      assertThat(log.body.toString(UTF_8)).isEqualTo(body);
      assertThat(log.head.toString()).startsWith("200 OK|x-infini-pool=paged|");
      assertThat(log.end).isEqualTo(framing == 2 ? "close" : "keep");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"
      })
  void nonsenseIsRefused(String wire) {
    assertThatThrownBy(() -> read(wire, false, new SplittableRandom(1)))
        .isInstanceOf(Nonsense.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
      })
  void aCutAnswerIsSeen(String wire) {
    assertThatThrownBy(() -> read(wire, true, new SplittableRandom(1)))
        .isInstanceOf(Nonsense.class)
        .hasMessageContaining(wire.isEmpty() ? "without an answer" : "cut off");
  }

  @Test
  void aHeadWithoutEndIsRefusedBeforeItFillsTheMemory() {
    assertThatThrownBy(() ->
            read("HTTP/1.1 200 OK\r\n" + "X: y\r\n".repeat(20_000), false, new SplittableRandom(1)))
        .isInstanceOf(Nonsense.class)
        .hasMessageContaining("65536");
  }
}
