package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestEncoder;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests with and without damage, in pieces of any size: our framing reads what Netty's codec
/// and our rules on top of it read, or leaves it to them; what goes on to an instance is one
/// message to a strict reader, and the same one in both framings.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RequestFramingFuzz {
  private static final int CASES = 20_000;
  private static final TimeLimits LIMITS =
      new TimeLimits(Duration.ofSeconds(1), Duration.ofSeconds(1), Duration.ofSeconds(1));
  private static final HeadPatch PATCH =
      new HeadPatch(
          List.of("x-api-key", "x-drop"),
          List.of(
              new Header("x-request-id", "r1"),
              new Header("via", "1.1 a"),
              new Header("authorization", "Bearer b")));

  private static final List<String> LINES =
      List.of(
          "POST /v1/chat/completions HTTP/1.1\r\n",
          "GET / HTTP/1.1\r\n",
          "PUT /a?b=c|d&e HTTP/1.1\r\n",
          "HEAD /x HTTP/1.1\r\n",
          "OPTIONS * HTTP/1.1\r\n",
          "DELETE /a%20b HTTP/1.1\r\n",
          "TRACE / HTTP/1.1\r\n",
          "GET http://h:1/p HTTP/1.1\r\n",
          "POST /a HTTP/1.0\r\n",
          "POST  /a HTTP/1.1\r\n",
          "\r\nPOST /a HTTP/1.1\r\n");

  private static final List<String> FIELDS =
      List.of(
          "User-Agent: x\r\n",
          "Content-Type: application/json\r\n",
          "Authorization: Bearer sk-1\r\n",
          "authorization: Bearer sk-2\r\n",
          "X-Api-Key: k\r\n",
          "X-Request-Id: mine\r\n",
          "x-drop:\t a \r\n",
          "Via: 1.0 b\r\n",
          "X-Empty:\r\n",
          "Accept: */*\r\n",
          "Cookie: a=\u00e4\r\n",
          "Connection: keep-alive\r\n",
          "connection: Close\r\n",
          "Connection: close, x-drop\r\n",
          "Keep-Alive: 5\r\n",
          "Proxy-Connection: x\r\n",
          "Proxy-Authorization: x\r\n",
          "HTTP2-Settings: x\r\n",
          "TE: trailers\r\n",
          "Upgrade: websocket\r\n",
          "Expect: 100-continue\r\n",
          "X_Under: 1\r\n");

  private static final List<String> HOSTS =
      List.of(
          "Host: h\r\n",
          "host:  h:80 \r\n",
          "Host: 127.0.0.1:8080\r\n",
          "Host: [::1]:80\r\n",
          "Host: h:\r\n",
          "Host: h:99999\r\n",
          "Host: a,b\r\n",
          "Host:\r\n",
          "Host: h\r\nHost: h\r\n",
          "");

  private static final List<String> FRAMING =
      List.of(
          "Content-Length: 5\r\n",
          "content-length:5\r\n",
          "Content-Length: 0\r\n",
          "Content-Length: 05\r\n",
          "Content-Length: +5\r\n",
          "Content-Length: 5\r\nContent-Length: 5\r\n",
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\n",
          "Transfer-Encoding: gzip\r\n",
          "");

  private static final List<String> DAMAGE =
      List.of("\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", "0", "%", "\u00e4", "\u007f");

  private static <T> T one(List<T> of, SplittableRandom random) {
    return of.get(random.nextInt(of.size()));
  }

  /// The first is twice as likely as the others together.
  private static <T> T usual(List<T> of, SplittableRandom random) {
    return random.nextInt(3) > 0 ? of.getFirst() : one(of, random);
  }

  private static String request(SplittableRandom random) {
    StringBuilder b = new StringBuilder(usual(LINES, random));
    String framing = usual(FRAMING, random);
    List<String> fields = new ArrayList<>(List.of(usual(HOSTS, random), framing));
    for (int k = random.nextInt(5); k > 0; k--) {
      fields.add(random.nextInt(fields.size() + 1), one(FIELDS, random));
    }
    fields.forEach(b::append);
    b.append("\r\n");
    if (framing.startsWith("Transfer")) {
      b.append("5\r\nhello\r\n0\r\n\r\n");
    } else if (!framing.contains(" 0") || framing.contains("05")) {
      b.append("hello");
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

  private static List<String> cut(String all, SplittableRandom random) {
    List<String> out = new ArrayList<>();
    int most = random.nextInt(4) == 0 ? 5 : 1000;
    for (int at = 0; at < all.length(); ) {
      int n = Math.min(all.length() - at, 1 + random.nextInt(most));
      out.add(all.substring(at, at + n));
      at += n;
    }
    return out;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void whatOursReadsTheCodecReadsToo(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long plain = 0;
    long odd = 0;
    for (int k = 0; k < CASES; k++) {
      StringBuilder all = new StringBuilder();
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        all.append(request(random));
      }
      List<String> pieces = cut(all.toString(), random);
      ReadRequests.Read ours = ReadRequests.of(pieces, false);
      assertThat(ours.shown()).as(visible(pieces)).isEqualTo(ReadRequests.of(pieces, true).shown());
      plain += ours.plain();
      odd += ours.requests().size() - ours.plain();
    }
    assertThat(plain).as("ours reads many").isGreaterThan(CASES / 8);
    assertThat(odd).as("and leaves many").isGreaterThan(CASES / 8);
  }

  @ParameterizedTest
  @ValueSource(longs = {4, 5})
  void whatGoesToAnInstanceIsTheSameMessageInBothFramings(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    LoopState loop =
        new LoopState(EmbeddedChannel::new, ProxyServer.Framing.AUTO, new OldServers());
    int sent = 0;
    for (int k = 0; k < CASES; k++) {
      ByteBuf in = Unpooled.copiedBuffer(request(random), ISO_8859_1);
      PlainRequest r = new HeadScan().request(in);
      in.release();
      if (r != null) {
        sent++;
        Outgoing call =
            new Outgoing(
                new Origin(
                    InetSocketAddress.createUnresolved("i", 1),
                    "i:1",
                    random.nextBoolean() ? "" : "/base"),
                PATCH,
                null,
                LIMITS,
                true);
        int n = random.nextInt(3) == 0 ? 20_000 : 3;
        long length = !r.framed() && random.nextBoolean() ? -1 : n;
        String body = length < 0 ? "" : "x".repeat(n);
        RequestToSend ours =
            RequestToSend.plain(
                r,
                call,
                length,
                Unpooled.copiedBuffer(body, ISO_8859_1),
                loop,
                UnpooledByteBufAllocator.DEFAULT);
        String said = ours.words().toString(ISO_8859_1) + ours.body().toString(ISO_8859_1);
        ours.release();
        String other =
            encoded(
                RequestToSend.decoded(
                    r.copy(),
                    call,
                    length,
                    Unpooled.copiedBuffer(body, ISO_8859_1),
                    EmptyHttpHeaders.INSTANCE));
        StrictReader.Message a = StrictReader.first(said.getBytes(ISO_8859_1));
        StrictReader.Message b = StrictReader.first(other.getBytes(ISO_8859_1));
        assertThat(a.end()).as(said).isEqualTo(said.length());
        assertThat(a.method()).isEqualTo(b.method());
        assertThat(a.target()).isEqualTo(b.target());
        assertThat(a.body()).isEqualTo(b.body());
        assertThat(a.fields()).as(said).containsExactlyInAnyOrderElementsOf(b.fields());
        for (Header f : r.fields()) {
          String name = f.name().toLowerCase(Locale.ROOT);
          assertThat(r.header(name)).isEqualTo(r.copy().headers().get(name));
          assertThat(r.joined(name)).isEqualTo(NettyFields.joined(r.copy().headers(), name));
        }
      }
    }
    assertThat(sent).isGreaterThan(CASES / 8);
  }

  private static final List<String> TRAILERS =
      List.of(
          "x-sum: 7",
          "X-Sum:",
          "Content-Length: 3",
          "transfer-encoding: gzip",
          "Trailer: x",
          "Host: evil",
          "Connection: x-sum",
          "X-One: 1",
          "via: 1.1 me",
          "Cookie: a",
          "x-long: " + "y".repeat(300),
          "X-\u00e9: \u00e9",
          "x-text: \u00e9\t\u0080");

  @ParameterizedTest
  @ValueSource(longs = {6, 7})
  void whateverTrailersComeTheNextHopReadsOneMessage(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int trailed = 0;
    for (int k = 0; k < CASES / 4; k++) {
      StringBuilder all =
          new StringBuilder(
              "POST /p HTTP/1.1\r\nHost: h\r\nConnection: X-One\r\nTransfer-Encoding: chunked\r\n\r\n"
                  + "5\r\nhello\r\n0\r\n");
      int trailersAt = all.length();
      for (int n = random.nextInt(4); n > 0; n--) {
        all.append(one(TRAILERS, random)).append("\r\n");
      }
      all.append("\r\n");
      if (random.nextInt(3) == 0) {
        int where = trailersAt + random.nextInt(all.length() - trailersAt);
        all.insert(where, one(DAMAGE, random));
      }
      StrictRequestDecoder decoder = new StrictRequestDecoder();
      EmbeddedChannel c = new EmbeddedChannel(decoder);
      cut(all.toString(), random)
          .forEach(p -> c.writeInbound(Unpooled.copiedBuffer(p, ISO_8859_1)));
      HttpRequest head = null;
      LastHttpContent last = null;
      boolean bad = false;
      for (Object o = c.readInbound(); o != null; o = c.readInbound()) {
        bad |= ((HttpObject) o).decoderResult().isFailure();
        head = o instanceof HttpRequest r ? r : head;
        last = o instanceof LastHttpContent l ? l : last;
        ReferenceCountUtil.release(o);
      }
      c.finishAndReleaseAll();
      if (bad || head == null || last == null) {
        continue;
      }
      Origin to = new Origin(InetSocketAddress.createUnresolved("i", 1), "i:1", "");
      String said =
          encoded(
              RequestToSend.decoded(
                  head,
                  new Outgoing(to, PATCH, null, LIMITS, true),
                  5,
                  Unpooled.copiedBuffer("hello", ISO_8859_1),
                  last.trailingHeaders()));
      StrictReader.Message m = StrictReader.one(said.getBytes(ISO_8859_1));
      assertThat(m.body()).asString(ISO_8859_1).isEqualTo("hello");
      assertThat(m.trailers())
          .as(said)
          .extracting(Header::name)
          .doesNotContain(
              "content-length",
              "transfer-encoding",
              "trailer",
              "host",
              "connection",
              "x-one",
              "via",
              "cookie");
      assertThat(m.all("transfer-encoding")).hasSize(m.trailers().isEmpty() ? 0 : 1);
      trailed += m.trailers().isEmpty() ? 0 : 1;
    }
    assertThat(trailed).isGreaterThan(CASES / 16);
  }

  private static String encoded(RequestToSend r) {
    EmbeddedChannel c = new EmbeddedChannel(new HttpRequestEncoder());
    c.writeOutbound(r.decoded());
    StringBuilder out = new StringBuilder();
    for (ByteBuf b = c.readOutbound(); b != null; b = c.readOutbound()) {
      out.append(b.toString(ISO_8859_1));
      b.release();
    }
    c.finishAndReleaseAll();
    return out.toString();
  }

  private static String visible(List<String> pieces) {
    return String.join("|", pieces).replace("\r", "\\r").replace("\n", "\\n").replace("\0", "\\0");
  }
}
