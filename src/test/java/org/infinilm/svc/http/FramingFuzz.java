package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests with damage, in pieces of any size: what our decoder takes for a message, a strict
/// reader takes for the same message.
class FramingFuzz {
  private static final int CASES = 4000;

  private static final List<String> SEEDS =
      List.of(
          "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
          "POST /a HTTP/1.1\r\nHost: x:80\r\nContent-Length: 5\r\nX-A: b\r\n\r\nabcde",
          "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nT: v\r\n\r\n",
          "PUT http://h/p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
          "GET / HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");

  private static final List<String> PIECES =
      List.of(
          "\r\n",
          "\n",
          "\r",
          "\0",
          " ",
          "\t",
          ":",
          ";",
          ",",
          "0",
          "-1",
          "+",
          "\u00e4",
          "\u000b",
          "\r\n ",
          "\r\n\r\n",
          "Content-Length: 3\r\n",
          "Content-Length: 30\r\n",
          "Transfer-Encoding: chunked\r\n",
          "Transfer-Encoding : chunked\r\n",
          "Transfer-Encoding:\r\n chunked\r\n",
          "transfer-encoding: gzip\r\n",
          "chunked, ",
          "Host: y\r\n",
          "HTTP/1.0",
          "HTTP/1.2",
          "0\r\n\r\n",
          "ffffffff\r\n",
          "1;\n",
          "@",
          "%0d%0a");

  /// What the decoder made of some bytes.
  private record Decoded(String method, String target, byte[] body) {}

  private static List<Decoded> decode(byte[] bytes, SplittableRandom random) {
    EmbeddedChannel c = new EmbeddedChannel(new StrictRequestDecoder());
    List<Decoded> out = new ArrayList<>();
    HttpRequest head = null;
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    boolean broken = false;
    for (int at = 0; at < bytes.length; ) {
      int n = Math.min(bytes.length - at, 1 + random.nextInt(random.nextBoolean() ? 3 : 200));
      c.writeInbound(Unpooled.copiedBuffer(bytes, at, n));
      at += n;
      for (Object o = c.readInbound(); o != null; o = c.readInbound()) {
        if (o instanceof io.netty.handler.codec.http.HttpObject h) {
          broken = broken || h.decoderResult().isFailure();
        }
        if (o instanceof HttpRequest r && !broken) {
          broken = RequestCheck.refusal(r) != null;
          head = r;
        }
        if (o instanceof HttpContent part && !broken) {
          ByteBuf b = part.content();
          byte[] piece = new byte[b.readableBytes()];
          b.readBytes(piece);
          body.writeBytes(piece);
          if (o instanceof LastHttpContent && head != null) {
            out.add(new Decoded(head.method().name(), head.uri(), body.toByteArray()));
            body.reset();
          }
        }
        ReferenceCountUtil.release(o);
      }
    }
    c.finishAndReleaseAll();
    return out;
  }

  private static String damaged(String seed, SplittableRandom random) {
    StringBuilder b = new StringBuilder(seed);
    for (int k = random.nextInt(4); k > 0; k--) {
      int at = random.nextInt(b.length());
      switch (random.nextInt(4)) {
        case 0 -> b.insert(at, PIECES.get(random.nextInt(PIECES.size())));
        case 1 -> b.deleteCharAt(at);
        case 2 -> b.setCharAt(at, (char) random.nextInt(256));
        default ->
            b.insert(Math.max(0, b.indexOf("\r\n", at)), PIECES.get(random.nextInt(PIECES.size())));
      }
    }
    return b.toString();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void whatIsTakenForAMessageIsOneToAStrictReaderToo(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int messages = 0;
    for (int k = 0; k < CASES; k++) {
      String text = damaged(SEEDS.get(random.nextInt(SEEDS.size())), random);
      byte[] bytes = text.getBytes(ISO_8859_1);
      int at = 0;
      for (Decoded d : decode(bytes, random)) {
        byte[] rest = java.util.Arrays.copyOfRange(bytes, at, bytes.length);
        StrictReader.Message m;
        try {
          m = StrictReader.first(rest);
        } catch (StrictReader.Wrong e) {
          throw new AssertionError(e.getMessage() + ": " + visible(text), e);
        }
        assertThat(m.method()).as(visible(text)).isEqualTo(d.method());
        assertThat(m.target()).as(visible(text)).endsWith(d.target().equals("/") ? "" : d.target());
        assertThat(m.body()).as(visible(text)).isEqualTo(d.body());
        at += m.end();
        messages++;
      }
    }
    assertThat(messages).as("not everything is refused").isGreaterThan(CASES / 8);
  }

  @Test
  void wholeSeedsAreTaken() {
    SplittableRandom random = new SplittableRandom(5);
    for (String s : SEEDS) {
      int expected = s.contains("GET /b") ? 2 : 1;
      assertThat(decode(s.getBytes(ISO_8859_1), random)).as(s).hasSize(expected);
    }
  }

  private static String visible(String s) {
    return s.replace("\r", "\\r").replace("\n", "\\n").replace("\0", "\\0");
  }
}
