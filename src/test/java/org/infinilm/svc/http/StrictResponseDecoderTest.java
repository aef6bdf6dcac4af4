package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

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

  /// What came of it, of which both framings must say the same.
  private static List<String> parts(List<String> pieces, boolean head, boolean close) {
    List<String> codec = shown(ReadAnswers.of(pieces, true, head, close));
    assertThat(shown(ReadAnswers.of(pieces, false, head, close))).isEqualTo(codec);
    return codec;
  }

  private static List<String> shown(ReadAnswers.Read r) {
    List<String> out = new ArrayList<>(r.interims());
    if (r.head() != null) {
      out.add(String.valueOf(r.status()));
    }
    if (r.verdict().startsWith("end")) {
      out.add(r.body());
      r.trailers().forEach(t -> out.add(t.replace(": ", "=")));
    }
    if (!r.verdict().equals("open")) {
      out.add(r.verdict());
    }
    if (r.surplus()) {
      out.add("surplus");
    }
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
        "HTTP/1.1 100 Continue~~HTTP/1.1 103 E~Link: x~~HTTP/1.1 200 OK~Content-Length: 2~~ok | 100 [],103 [Link=x],200,ok,end",
        "HTTP/1.1 199 ~Content-Length: 5~~HTTP/1.1 204 No~~ | 199 [Content-Length=5],204,,end",
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
