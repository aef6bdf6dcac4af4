package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.router.FramingCorpusIT.Row.forwarded;
import static org.infinilm.svc.router.FramingCorpusIT.Row.refused;
import static org.infinilm.svc.router.FramingCorpusIT.Row.smuggled;
import static org.infinilm.svc.router.FramingCorpusIT.Row.trailed;

import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.infinilm.svc.http.StrictReader;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Requests that two readers could take for different ones. Each row is one class: it is refused
/// with its status and the connection closed, nothing reaching an instance; or the instance reads
/// exactly one message with the same method, target and body, and the connection goes on.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class FramingCorpusIT {
  private static final String TAIL = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  private static final String NEXT = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  private static final String POST = "POST /p HTTP/1.1\r\nHost: x\r\n";
  private static final String CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n";
  private static final String GET = "GET /g HTTP/1.1\r\nHost: x\r\n";

  private static Rig rig;
  private static ScriptedInstance instance;

  /// One class of requests.
  ///
  /// @param status of the refusal; 0 when it is forwarded
  /// @param line method and target that the instance reads
  /// @param trailers that it reads, `name: value`
  record Row(
      String name, String bytes, int status, String line, String body, List<String> trailers) {
    static Row refused(int status, String name, String bytes) {
      return new Row(name, bytes, status, "", "", List.of());
    }

    /// Refused, with a request after it that must not be served.
    static Row smuggled(String name, String bytes) {
      return new Row(name, bytes + TAIL, 400, "", "", List.of());
    }

    static Row forwarded(String name, String bytes, String line, String body) {
      return new Row(name, bytes, 0, line, body, List.of());
    }

    /// Forwarded in chunks, with these trailers.
    static Row trailed(String name, String fields, String sent, String... trailers) {
      return new Row(
          name,
          CHUNKED.substring(0, CHUNKED.length() - 2)
              + fields
              + "\r\n4\r\nabcd\r\n0\r\n"
              + sent
              + "\r\n",
          0,
          "POST /p",
          "abcd",
          List.of(trailers));
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Row> lengths() {
    Map<String, String> wrong = new TreeMap<>();
    wrong.put("differing", "4\r\nContent-Length: 5");
    wrong.put("repeated", "4\r\nContent-Length: 4");
    wrong.put("list of equals", "4, 4");
    wrong.put("list", "4, 5");
    wrong.put("signed", "+4");
    wrong.put("negative", "-4");
    wrong.put("hexadecimal", "0x4");
    wrong.put("fraction", "4.0");
    wrong.put("empty", "");
    wrong.put("with a space", "4 4");
    wrong.put("over 63 bits", "9223372036854775808");
    wrong.put("over 64 bits", "18446744073709551620");
    wrong.put("other digits", "\u00b2");
    return wrong.entrySet().stream()
        .map(e ->
            smuggled(
                "Content-Length: " + e.getKey(),
                POST + "Content-Length: " + e.getValue() + "\r\n\r\nabcd"));
  }

  static Stream<Row> codings() {
    return Stream.of(
            "chunked\r\nContent-Length: 4",
            "chunked\r\nTransfer-Encoding: chunked",
            "chunked\r\nTransfer-Encoding: identity",
            "chunked, chunked",
            "gzip, chunked",
            "chunked, gzip",
            "gzip",
            "identity",
            "xchunked",
            "chunked;q=1",
            "\"chunked\"",
            "chunked,",
            "\u000bchunked",
            "",
            "\r\n chunked",
            "\r\n\tchunked")
        .map(v ->
            smuggled(
                "Transfer-Encoding: " + v.replace("\r\n", "|").replace('\u000b', '^'),
                POST + "Transfer-Encoding: " + v + "\r\n\r\n0\r\n\r\n"));
  }

  static Stream<Row> otherFraming() {
    return Stream.of(
        smuggled(
            "Content-Length before Transfer-Encoding",
            POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        smuggled(
            "chunked in HTTP/1.0",
            "POST /p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        refused(413, "length over the limit", POST + "Content-Length: 100000\r\n\r\n"),
        refused(413, "chunks over the limit", CHUNKED + "11000\r\n" + "a".repeat(0x11000)),
        refused(431, "many trailers", CHUNKED + "0\r\n" + "X-T: v\r\n".repeat(201) + "\r\n" + TAIL),
        refused(431, "large trailers", CHUNKED + "0\r\nX-T: " + "a".repeat(66_000) + "\r\n\r\n"),
        refused(417, "unknown expectation", GET + "Expect: 200-ok\r\n\r\n"));
  }

  static Stream<Row> fields() {
    Map<String, String> wrong = new TreeMap<>();
    wrong.put("obs-fold", "X-A: b\r\n c\r\n");
    wrong.put("obs-fold with tab", "X-A: b\r\n\tc\r\n");
    wrong.put("fold of a blank line", "X-A: b\r\n \r\n");
    wrong.put("space before the colon", "Content-Length : 5\r\n");
    wrong.put("tab before the colon", "Content-Length\t: 5\r\n");
    wrong.put("empty name", ": a\r\n");
    wrong.put("no colon", "X-A\r\n");
    wrong.put("space in a name", "X A: b\r\n");
    wrong.put("bracket in a name", "X(A: b\r\n");
    wrong.put("NUL in a value", "X-A: b\0c\r\n");
    wrong.put("NUL in a name", "X\0A: b\r\n");
    wrong.put("escape in a value", "X-A: \u001b[31m\r\n");
    wrong.put("vertical tab in a value", "X-A: a\u000bb\r\n");
    wrong.put("DEL in a value", "X-A: \u007f\r\n");
    wrong.put("bare CR in a value", "X-A: b\rX-B: c\r\n");
    wrong.put("bare LF after a value", "X-A: b\nX-B: c\r\n");
    wrong.put("non-ASCII name", "X-\u00e4: b\r\n");
    return wrong.entrySet().stream()
        .map(e -> smuggled("field: " + e.getKey(), GET + e.getValue() + "\r\n"));
  }

  static Stream<Row> lines() {
    return Stream.of(
        smuggled("space before the request line", " " + GET + "\r\n"),
        smuggled("space before the first field", "GET /g HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n"),
        smuggled("two empty lines first", "\r\n\r\n" + GET + "\r\n"),
        smuggled("bare LF first", "\n" + GET + "\r\n"),
        smuggled("bare LF throughout", "GET /g HTTP/1.1\nHost: x\n\n"),
        smuggled("bare LF at the end of the head", GET + "\n"),
        smuggled("bare CR at the end of the head", GET + "\rX"),
        smuggled("two spaces in the line", "GET  /g HTTP/1.1\r\nHost: x\r\n\r\n"),
        smuggled("tab in the line", "GET\t/g HTTP/1.1\r\nHost: x\r\n\r\n"),
        smuggled("space after the version", "GET /g HTTP/1.1 \r\nHost: x\r\n\r\n"),
        smuggled("no version", "GET /g\r\n\r\n"),
        smuggled("lower-case version", "GET /g http/1.1\r\nHost: x\r\n\r\n"),
        smuggled("odd character in the method", "G(T /g HTTP/1.1\r\nHost: x\r\n\r\n"),
        smuggled("TLS", "\u0016\u0003\u0001\u0002\0\u0001\0"),
        refused(505, "HTTP/1.2", "GET /g HTTP/1.2\r\nHost: x\r\n\r\n" + TAIL),
        refused(505, "HTTP/2.0", "GET /g HTTP/2.0\r\nHost: x\r\n\r\n" + TAIL),
        refused(505, "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused(501, "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + TAIL),
        refused(501, "long method", "A".repeat(33) + " /g HTTP/1.1\r\nHost: x\r\n\r\n" + TAIL),
        refused(501, "WebSocket", GET + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + TAIL),
        refused(414, "long line", "GET /" + "a".repeat(17_000) + " HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused(431, "large head", GET + "X-A: " + "a".repeat(66_000) + "\r\n\r\n"),
        refused(431, "many fields", GET + "X-A: b\r\n".repeat(200) + "\r\n"));
  }

  static Stream<Row> targets() {
    return Stream.of(
            "g",
            "*",
            "?a",
            "/a b",
            "/a\tb",
            "/a\u001bb",
            "/\u00e4",
            "/a#b",
            "/a\\b",
            "/%",
            "/%zz",
            "/\"a\"",
            "/<a>",
            "http://",
            "http:///g",
            "http://u:p@x/g",
            "http://x:port/g",
            "ftp://x/g",
            "x:80")
        .map(t ->
            smuggled(
                "target: " + t.replace('\t', '^').replace('\u001b', '^'),
                "GET " + t + " HTTP/1.1\r\nHost: x\r\n\r\n"));
  }

  static Stream<Row> hosts() {
    return Stream.concat(
        Stream.of(
                "",
                "a@b",
                "a:b",
                "a:b:c",
                "[::1",
                "[::1]x",
                "::1",
                "a:65536",
                "a:-1",
                "a/b",
                "a?b",
                "a,b",
                "a b",
                "a%00",
                "\u00e4",
                "a\\b",
                "x\r\nHost: x")
            .map(h ->
                smuggled(
                    "Host: " + h.replace("\r\n", "|"),
                    "GET /g HTTP/1.1\r\nHost: " + h + "\r\n\r\n")),
        Stream.of(
            smuggled("no Host", "GET /g HTTP/1.1\r\nX-A: b\r\n\r\n"),
            smuggled(
                "bad Host beside an absolute target",
                "GET http://x/g HTTP/1.1\r\nHost: a@b\r\n\r\n"),
            smuggled("no Host beside an absolute target", "GET http://x/g HTTP/1.1\r\n\r\n")));
  }

  static Stream<Row> chunks() {
    Map<String, String> wrong = new TreeMap<>();
    wrong.put("no size", "\r\nabc\r\n");
    wrong.put("negative size", "-3\r\nabc\r\n");
    wrong.put("signed size", "+3\r\nabc\r\n");
    wrong.put("0x size", "0x3\r\nabc\r\n");
    wrong.put("space before the size", " 3\r\nabc\r\n");
    wrong.put("space after the size", "3 \r\nabc\r\n");
    wrong.put("size over 32 bits", "100000003\r\nabc\r\n");
    wrong.put("size over 64 bits", "10000000000000003\r\nabc\r\n");
    wrong.put("size that is no number", "three\r\nabc\r\n");
    wrong.put("bare LF after the size", "3\nabc\r\n");
    wrong.put("bare LF in an extension", "3;a\nabc\r\n");
    wrong.put("NUL in an extension", "3;\0\r\nabc\r\n");
    wrong.put("endless extension", "3;" + "a".repeat(1100) + "\r\nabc\r\n");
    wrong.put("no CR LF after the data", "3\r\nabc0\r\n");
    wrong.put("bare LF after the data", "3\r\nabc\n");
    wrong.put("too much data", "3\r\nabcd\r\n");
    wrong.put("folded trailer", "0\r\nT: a\r\n b\r\n");
    wrong.put("space before a trailer's colon", "0\r\nT : a\r\n");
    wrong.put("bare LF in the trailers", "0\r\nT: a\n");
    wrong.put("bare CR in the trailers", "0\r\nT: a\rX: b\r\n");
    wrong.put("NUL in a trailer", "0\r\nT: a\0b\r\n");
    wrong.put("trailer without a name", "0\r\n: a\r\n");
    wrong.put("trailer without a colon", "0\r\nTransfer\r\n");
    return wrong.entrySet().stream()
        .map(e -> smuggled("chunks: " + e.getKey(), CHUNKED + e.getValue() + "0\r\n\r\n"));
  }

  static Stream<Row> good() {
    return Stream.of(
        forwarded("one empty line first", "\r\n" + GET + "\r\n", "GET /g", ""),
        forwarded("lower-case method", "get /g HTTP/1.1\r\nHost: x\r\n\r\n", "get /g", ""),
        forwarded("unknown method", "M-SEARCH /g HTTP/1.1\r\nHost: x\r\n\r\n", "M-SEARCH /g", ""),
        forwarded("empty segments", "GET //a//b HTTP/1.1\r\nHost: x\r\n\r\n", "GET //a//b", ""),
        forwarded("dot segments", "GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a/../b", ""),
        forwarded(
            "encoded CR LF stays encoded",
            "GET /%0d%0aX:%20a?b=%0D%0A HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /%0d%0aX:%20a?b=%0D%0A",
            ""),
        forwarded(
            "absolute target", "GET http://x/g?a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /g?a", ""),
        forwarded(
            "absolute target against Host",
            "GET HTTPS://y:1 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /",
            ""),
        forwarded("no length", GET + "\r\n", "GET /g", ""),
        forwarded("length 0", POST + "Content-Length: 0\r\n\r\n", "POST /p", ""),
        forwarded("leading zeros", POST + "Content-Length: 0004\r\n\r\nabcd", "POST /p", "abcd"),
        forwarded("body of a GET", GET + "Content-Length: 4\r\n\r\nabcd", "GET /g", "abcd"),
        forwarded(
            "a request as a body",
            POST + "Content-Length: " + TAIL.length() + "\r\n\r\n" + TAIL,
            "POST /p",
            TAIL),
        forwarded("chunks", CHUNKED + "3\r\nabc\r\n01\r\nd\r\n0\r\n\r\n", "POST /p", "abcd"),
        forwarded("a request as a chunk", CHUNKED + hex(TAIL) + "0\r\n\r\n", "POST /p", TAIL),
        forwarded("no chunk but the last", CHUNKED + "0\r\n\r\n", "POST /p", ""),
        forwarded("extensions", CHUNKED + "4;a;b=\"c\"\r\nabcd\r\n0;z\r\n\r\n", "POST /p", "abcd"),
        trailed(
            "trailers, the forbidden among them",
            "",
            "Content-Length: 9\r\nHost: y\r\nTransfer-Encoding: gzip\r\nTrailer: X-U\r\nX-T: v\r\n",
            "x-t: v"),
        trailed(
            "trailers that are credentials or say who asks",
            "",
            "Authorization: a\r\nX-Api-Key: b\r\napi-key: c\r\nCookie: d\r\nVia: e\r\nForwarded: f\r\n"
                + "X-Forwarded-For: g\r\nX-Request-Id: h\r\nIf-Match: i\r\nExpect: 100-continue\r\nX-T: v\r\n",
            "x-t: v"),
        trailed(
            "trailers of one connection",
            "Connection: x-secret\r\nTrailer: X-Secret, X-T\r\n",
            "X-Secret: a\r\nKeep-Alive: 5\r\nTE: gzip\r\nConnection: x-u\r\nX-U: b\r\nX-T: v\r\n",
            "x-t: v"),
        trailed(
            "trailers of one name and others",
            "",
            "X-T: v\r\nx-t:\r\nX-U: \u00e4 b\r\n",
            "x-t: v",
            "x-t: ",
            "x-u: \u00e4 b"),
        trailed("forbidden trailers alone", "Trailer: Content-Length\r\n", "Content-Length: 9\r\n"),
        forwarded(
            "coding in capitals",
            POST + "transfer-encoding:CHUNKED \r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
            "POST /p",
            "abcd"),
        forwarded(
            "fields that Connection names",
            GET + "Connection: x-secret, keep-alive\r\nX-Secret: a\r\nKeep-Alive: 5\r\n\r\n",
            "GET /g",
            ""),
        forwarded(
            "Connection that names framing",
            POST + "Connection: content-length, host\r\nContent-Length: 4\r\n\r\nabcd",
            "POST /p",
            "abcd"),
        forwarded("upgrade without Connection", GET + "Upgrade: websocket\r\n\r\n", "GET /g", ""),
        forwarded(
            "offer of h2c",
            GET
                + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
            "GET /g",
            ""),
        forwarded("TE", GET + "TE: gzip, deflate;q=0.5\r\nConnection: TE\r\n\r\n", "GET /g", ""),
        forwarded(
            "expectation in HTTP/1.0",
            "POST /p HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nabcd",
            "POST /p",
            "abcd"),
        forwarded(
            "HTTP/1.0 kept alive",
            "GET /g HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET /g",
            ""),
        forwarded("request id that breaks out", GET + "X-Request-Id: a\"b c\r\n\r\n", "GET /g", ""),
        forwarded("obs-text in a value", GET + "X-A: \u00e4\r\n\r\n", "GET /g", ""));
  }

  private static String hex(String chunk) {
    return Integer.toHexString(chunk.length()) + "\r\n" + chunk + "\r\n";
  }

  @BeforeAll
  static void start() throws Exception {
    rig = new Rig();
    instance = rig.good("a");
    rig.start("max_body_bytes=65536");
  }

  @AfterAll
  static void stop() throws Exception {
    rig.quiet();
    rig.close();
  }

  @ParameterizedTest
  @MethodSource({
    "lengths",
    "codings",
    "otherFraming",
    "fields",
    "lines",
    "targets",
    "hosts",
    "chunks"
  })
  void whatCanBeReadTwoWaysIsRefusedAndItsConnectionClosed(Row row) throws Exception {
    instance.seen.clear();
    try (Socket c = rig.connect()) {
      c.getOutputStream().write(row.bytes().getBytes(ISO_8859_1));
      Said said = Said.read(c.getInputStream());
      assertThat(said.status()).as(said.body()).isEqualTo(row.status());
      assertThat(said.end()).isEqualTo(Said.End.WHOLE);
      assertThat(said.field("connection")).isEqualTo("close");
      assertThat(said.field("x-request-id")).isNotEmpty();
      assertThat(c.getInputStream().readAllBytes()).as("after the refusal").isEmpty();
    }
    assertThat(instance.seen).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("good")
  void theNextHopReadsExactlyTheSameMessage(Row row) throws Exception {
    instance.seen.clear();
    try (Socket c = rig.connect()) {
      c.getOutputStream().write((row.bytes() + NEXT).getBytes(ISO_8859_1));
      assertThat(Said.read(c.getInputStream()).ok()).isTrue();
      assertThat(Said.read(c.getInputStream()).ok()).isTrue();
      assertThat(c.getInputStream().readAllBytes()).isEmpty();
    }
    assertThat(instance.seen).hasSize(2);
    StrictReader.Message m = StrictReader.one(instance.seen.getFirst().getBytes(ISO_8859_1));
    assertThat(m.method() + " " + m.target()).isEqualTo(row.line());
    assertThat(new String(m.body(), ISO_8859_1)).isEqualTo(row.body());
    assertThat(m.trailers().stream().map(t -> t.name() + ": " + t.value()))
        .containsExactlyElementsOf(row.trailers());
    boolean trailed = !row.trailers().isEmpty();
    assertThat(m.all("transfer-encoding")).hasSize(trailed ? 1 : 0);
    assertThat(m.all("content-length").size() + m.all("transfer-encoding").size()).isLessThan(2);
    assertThat(m.all("trailer")).hasSize(trailed ? 1 : 0);
    assertThat(m.all("host")).containsExactly("127.0.0.1:" + instance.port());
    for (String gone :
        List.of("upgrade", "http2-settings", "te", "expect", "x-secret", "keep-alive", "x-t")) {
      assertThat(m.all(gone)).as(gone).isEmpty();
    }
    assertThat(m.all("x-request-id")).singleElement().asString().doesNotContain("\"", " ");
    StrictReader.Message next = StrictReader.one(instance.seen.get(1).getBytes(ISO_8859_1));
    assertThat(next.target()).isEqualTo("/next");
  }
}
