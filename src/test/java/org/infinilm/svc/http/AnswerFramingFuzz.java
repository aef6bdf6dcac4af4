package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpHeaders;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Answers with and without damage, in pieces of any size: our framing reads what Netty's codec
/// reads, the same head, body, trailers and end, or leaves it to the codec.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class AnswerFramingFuzz {
  private static final int CASES = 20_000;
  private static final HeadPatch PATCH =
      new HeadPatch(
          List.of("x-drop", "x-infini-size"),
          List.of(new Header("x-request-id", "r1"), new Header("x-new", "1")));

  private static final List<String> FIELDS =
      List.of(
          "Content-Type: text/event-stream\r\n",
          "content-type: application/json\r\n",
          "Date: Sat, 28 Nov 2026 20:00:00 GMT\r\n",
          "Server: uvicorn\r\n",
          "X-Request-Id: theirs\r\n",
          "x-request-id:   twice\t\r\n",
          "X-Drop: a\r\n",
          "x-infini-size: 7\r\n",
          "X-Empty:\r\n",
          "Set-Cookie: a=b; Path=/\r\n",
          "set-cookie: c=\u00e4\r\n",
          "Connection: keep-alive\r\n",
          "Connection: close\r\n",
          "connection: X-Drop, close\r\n",
          "Keep-Alive: timeout=5\r\n",
          "Proxy-Authenticate: Basic\r\n",
          "Trailer: x-t\r\n",
          "Upgrade: h2c\r\n",
          "TE: trailers\r\n",
          "Via: 1.1 a\r\n");

  private static final List<String> FRAMING =
      List.of(
          "Content-Length: 5\r\n",
          "content-length:5\r\n",
          "Content-Length: 0\r\n",
          "Content-Length: 05\r\n",
          "Content-Length: 5\r\nContent-Length: 5\r\n",
          "Transfer-Encoding: chunked\r\n",
          "transfer-encoding:  Chunked \r\n",
          "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
          "");

  private static final List<String> LINES =
      List.of(
          "HTTP/1.1 200 OK\r\n",
          "HTTP/1.1 200 \r\n",
          "HTTP/1.1 200\r\n",
          "HTTP/1.1 404 Not \u00e4 Found\r\n",
          "HTTP/1.1 503 x\r\n",
          "HTTP/1.1 204 No Content\r\n",
          "HTTP/1.1 304 Not Modified\r\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
          "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n",
          "HTTP/1.1 600 What\r\n",
          "HTTP/1.0 200 OK\r\n",
          "http/1.1 200 OK\r\n");

  private static final List<String> CHUNKS =
      List.of(
          "5\r\nhello\r\n",
          "3\r\nabc\r\n",
          "0000001\r\nx\r\n",
          "A\r\n0123456789\r\n",
          "2;e=1\r\nde\r\n",
          "00000002\r\nde\r\n");

  private static final List<String> ENDS =
      List.of(
          "0\r\n\r\n",
          "0\r\n\r\n",
          "0\r\n\r\n",
          "000\r\n\r\n",
          "0\r\nX-T: 1\r\n\r\n",
          "0;x\r\n\r\n",
          "0\r\n\r\nmore",
          "");

  private static final List<String> DAMAGE =
      List.of("\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "0", "-1", "\u00e4", "\u007f");

  private static <T> T one(List<T> of, SplittableRandom random) {
    return of.get(random.nextInt(of.size()));
  }

  private static String answer(SplittableRandom random) {
    StringBuilder b =
        new StringBuilder(random.nextInt(3) > 0 ? LINES.getFirst() : one(LINES, random));
    String framing = one(FRAMING, random);
    int at = random.nextInt(5);
    for (int k = 0; k < 5; k++) {
      b.append(k == at ? framing : random.nextBoolean() ? one(FIELDS, random) : "");
    }
    b.append("\r\n");
    if (framing.contains("unked")) {
      for (int k = random.nextInt(6); k > 0; k--) {
        b.append(random.nextInt(40) == 0 ? large(random) : one(CHUNKS, random));
      }
      b.append(one(ENDS, random));
    } else {
      b.append("hello", 0, random.nextInt(6));
    }
    if (random.nextInt(3) == 0) {
      int where = random.nextInt(b.length());
      switch (random.nextInt(3)) {
        case 0 -> b.insert(where, one(DAMAGE, random));
        case 1 -> b.deleteCharAt(where);
        default -> b.setCharAt(where, (char) random.nextInt(256));
      }
    }
    return b.toString();
  }

  private static String large(SplittableRandom random) {
    int n = random.nextInt(20_000);
    return Integer.toHexString(n + 1) + "\r\n" + "y".repeat(n + 1) + "\r\n";
  }

  private static List<String> cut(String all, SplittableRandom random) {
    List<String> out = new ArrayList<>();
    int most = random.nextInt(3) == 0 ? 3 : 400;
    for (int at = 0; at < all.length(); ) {
      int n = Math.min(all.length() - at, 1 + random.nextInt(at == 0 ? 400 : most));
      out.add(all.substring(at, at + n));
      at += n;
    }
    return out;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void whatOursReadsTheCodecReadsToo(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int plain = 0;
    int odd = 0;
    for (int k = 0; k < CASES; k++) {
      List<String> pieces = cut(answer(random), random);
      boolean close = random.nextInt(4) == 0;
      ReadAnswers.Read codec = ReadAnswers.of(pieces, true, false, close);
      ReadAnswers.Read ours = ReadAnswers.of(pieces, false, false, close);
      if (ours.verdict().startsWith("bad") && codec.verdict().equals("open")) {
        // the codec looks at the next byte too
        codec = ReadAnswers.of(with(pieces, "z"), true, false, false);
      }
      assertThat(ours.shown()).as(visible(pieces)).isEqualTo(codec.shown());
      assertThat(codec.plain()).isFalse();
      plain += ours.plain() ? 1 : 0;
      odd += ours.plain() ? 0 : 1;
    }
    assertThat(plain).as("ours reads many").isGreaterThan(CASES / 8);
    assertThat(odd).as("and leaves many").isGreaterThan(CASES / 8);
  }

  /// A head that goes on says the same in both framings: hop-by-hop fields gone, the patch done.
  @ParameterizedTest
  @ValueSource(longs = {4, 5})
  void aHeadGoesOnWithTheSameFields(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int heads = 0;
    for (int k = 0; k < CASES; k++) {
      ByteBuf in = Unpooled.copiedBuffer(answer(random), ISO_8859_1);
      PlainAnswer a = new HeadScan().answer(in);
      if (a != null) {
        heads++;
        HttpHeaders codec = a.response().headers();
        HopByHop.strip(codec);
        NettyFields.apply(codec, PATCH);
        List<String> expected = new ArrayList<>();
        codec.forEach(
            f -> expected.add(f.getKey().toLowerCase(java.util.Locale.ROOT) + ": " + f.getValue()));
        HeadWriter words = new HeadWriter();
        a.fields().startLine(words);
        a.fields().patched(words, PATCH);
        words.crlf();
        ByteBuf out = Unpooled.buffer();
        words.into(out);
        String said = out.toString(ISO_8859_1);
        ReadAnswers.Read again = ReadAnswers.of(List.of(said), true, false, false);
        assertThat(
                again.fields().stream()
                    .map(f -> {
                      int colon = f.indexOf(':');
                      return f.substring(0, colon).toLowerCase(java.util.Locale.ROOT)
                          + f.substring(colon);
                    }))
            .as(said)
            .containsExactlyInAnyOrderElementsOf(expected);
        for (String name : List.of("date", "x-request-id", "set-cookie", "x-empty", "via")) {
          assertThat(a.header(name)).isEqualTo(a.response().headers().get(name));
          assertThat(a.joined(name)).isEqualTo(NettyFields.joined(a.response().headers(), name));
        }
      }
      in.release();
    }
    assertThat(heads).isGreaterThan(CASES / 8);
  }

  @Test
  void chunksThatAreReadTogetherGoOnTogether() {
    ReadAnswers.Read r =
        ReadAnswers.of(
            List.of(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n",
                "1\r\nd\r\n0\r\n\r\n"),
            false,
            false,
            false);
    assertThat(r.plain()).isTrue();
    assertThat(r.body()).isEqualTo("abcd");
    assertThat(r.verdict()).isEqualTo("end");
  }

  private static List<String> with(List<String> pieces, String more) {
    List<String> out = new ArrayList<>(pieces);
    out.add(more);
    return out;
  }

  private static String visible(List<String> pieces) {
    return String.join("|", pieces).replace("\r", "\\r").replace("\n", "\\n").replace("\0", "\\0");
  }
}
