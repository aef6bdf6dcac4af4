package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Each answer is read the same way whole and byte by byte.
class StrictResponseDecoderTest {
  private static List<String> whole(String bytes, boolean head, boolean close) {
    return parts(List.of(bytes), head, close);
  }

  private static List<String> dripped(String bytes, boolean head, boolean close) {
    return parts(bytes.chars().mapToObj(c -> String.valueOf((char) c)).toList(), head, close);
  }

  private static List<String> parts(List<String> pieces, boolean head, boolean close) {
    StrictResponseDecoder d = new StrictResponseDecoder();
    d.expect(head);
    EmbeddedChannel c = new EmbeddedChannel(d);
    for (String p : pieces) {
      c.writeInbound(Unpooled.copiedBuffer(p, ISO_8859_1));
    }
    boolean surplus = d.surplus();
    if (close) {
      c.finish();
    }
    List<String> out = new ArrayList<>();
    StringBuilder body = new StringBuilder();
    for (HttpObject o = c.readInbound(); o != null; o = c.readInbound()) {
      if (o.decoderResult().isFailure()) {
        out.add("bad: " + BadAnswer.detail(o.decoderResult().cause()));
        ReferenceCountUtil.release(o);
        break;
      }
      if (o instanceof HttpResponse r) {
        out.add(String.valueOf(r.status().code()));
      }
      if (o instanceof HttpContent b) {
        body.append(b.content().toString(ISO_8859_1));
        if (o instanceof LastHttpContent l) {
          out.add(body.toString());
          l.trailingHeaders().forEach(t -> out.add(t.getKey() + "=" + t.getValue()));
          out.add(d.endedByClose() ? "end by close" : "end");
        }
      }
      ReferenceCountUtil.release(o);
    }
    if (surplus) {
      out.add("surplus");
    }
    c.finishAndReleaseAll();
    return out;
  }

  static List<BadAnswers.Case> bad() {
    return BadAnswers.ALL;
  }

  @ParameterizedTest
  @MethodSource("bad")
  void whatReadsTwoWaysIsRefusedByName(BadAnswers.Case c) {
    assertThat(whole(c.bytes(), false, false)).last().isEqualTo("bad: " + c.detail());
    assertThat(dripped(c.bytes(), false, false)).last().isEqualTo("bad: " + c.detail());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "HTTP/1.1 200 OK~Content-Length: 2~~ok | 200,ok,end",
        "HTTP/1.1 200 OK~Content-Length : 2~~ok | 200,ok,end",
        "HTTP/1.0 200~Content-Length: 2~~ok | 200,ok,end",
        "HTTP/1.1 204 No~~ | 204,,end",
        "HTTP/1.1 304 No~Content-Length: 9~~ | 304,,end",
        "HTTP/1.1 200 OK~Content-Length: 0~~ | 200,,end",
        "HTTP/1.1 200 OK~Transfer-Encoding: Chunked~~2;x=1~ok~1~!~0~~ | 200,ok!,end",
        "HTTP/1.1 200 OK~Transfer-Encoding: chunked~~2~ok~0~X-T: 1~~ | 200,ok,X-T=1,end",
        "HTTP/1.1 100 Continue~~HTTP/1.1 103 E~Link: x~~HTTP/1.1 200 OK~Content-Length: 2~~ok | 200,ok,end",
        "HTTP/1.1 200 OK~Content-Length: 2~~okHTTP/1.1 200 OK~~ | 200,ok,end,surplus",
        "HTTP/1.1 204 No~~body | 204,,end,surplus",
        "HTTP/1.1 200 OK~Transfer-Encoding: chunked~~0~~~ | 200,,end,surplus",
      })
  void whatReadsOneWayIsRead(String bytes, String expected) {
    String b = bytes.replace("~", "\r\n");
    assertThat(String.join(",", whole(b, false, false))).isEqualTo(expected);
    assertThat(String.join(",", dripped(b, false, false))).isEqualTo(expected);
  }

  @Test
  void theAnswerToHeadHasNoBody() {
    String b = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assertThat(whole(b, true, false)).containsExactly("200", "", "end");
    assertThat(whole(b + "hello", true, false)).containsExactly("200", "", "end", "surplus");
  }

  @Test
  void onlyWhatHasNoLengthEndsByClose() {
    String head = "HTTP/1.1 200 OK\r\n";
    assertThat(whole(head + "\r\nhalf", false, true))
        .containsExactly("200", "half", "end by close");
    assertThat(whole(head + "Content-Length: 9\r\n\r\nhalf", false, true)).containsExactly("200");
    assertThat(whole(head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf", false, true))
        .containsExactly("200");
    assertThat(whole(head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", false, true))
        .containsExactly("200");
  }
}
