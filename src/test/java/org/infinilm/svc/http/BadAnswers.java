package org.infinilm.svc.http;

import java.util.List;

/// The corpus of answers that must not pass: each with the name that it is refused by.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
public final class BadAnswers {
  /// One answer.
  public record Case(String name, String bytes, String detail) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static final String OK = "HTTP/1.1 200 OK\r\n";
  private static final String CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";
  private static final String LENGTHS = "several or malformed Content-Length fields";
  private static final String CODINGS = "Transfer-Encoding other than one chunked";
  private static final String NO_STATUS = "no HTTP/1 status line";
  private static final String CHUNK_SIZE = "malformed chunk size or Content-Length";

  public static final List<Case> ALL =
      List.of(
          of("two lengths", OK + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", LENGTHS),
          of("equal lengths", OK + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", LENGTHS),
          of("length list", OK + "Content-Length: 2, 3\r\n\r\nok", LENGTHS),
          of("negative length", OK + "Content-Length: -2\r\n\r\nok", LENGTHS),
          of("signed length", OK + "Content-Length: +2\r\n\r\nok", LENGTHS),
          of("hex length", OK + "Content-Length: 0x2\r\n\r\nok", LENGTHS),
          of("empty length", OK + "Content-Length:\r\n\r\nok", LENGTHS),
          of("huge length", OK + "Content-Length: 99999999999999999999\r\n\r\nok", LENGTHS),
          of(
              "length and chunked",
              OK + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
              "both Content-Length and Transfer-Encoding"),
          of("gzip coding", OK + "Transfer-Encoding: gzip\r\n\r\nok", CODINGS),
          of("gzip, chunked", OK + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CODINGS),
          of("chunked, gzip", OK + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", CODINGS),
          of(
              "chunked twice",
              OK + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
              CODINGS),
          of("unknown coding", OK + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", CODINGS),
          of(
              "chunked in 1.0",
              "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
              "Transfer-Encoding in an HTTP/1.0 answer"),
          of("folded field", OK + "X-A: 1\r\n 2\r\n\r\n", "folded header field"),
          of("folded by tab", OK + "X-A: 1\r\n\t2\r\n\r\n", "folded header field"),
          of("blank first", OK + " X-A: 1\r\n\r\n", "folded header field"),
          of("bare LF in head", OK + "X-A: 1\n\r\n", "line that does not end in CR LF"),
          of(
              "bare LF after status",
              "HTTP/1.1 200 OK\nX-A: 1\r\n\r\n",
              "line that does not end in CR LF"),
          of("bare CR in value", OK + "X-A: 1\rX-B: 2\r\n\r\n", "malformed field"),
          of("NUL in value", OK + "X-A: 1\u00002\r\n\r\n", "malformed field"),
          of("control in value", OK + "X-A: 1\u00012\r\n\r\n", "malformed field"),
          of("DEL in value", OK + "X-A: 1\u007f2\r\n\r\n", "malformed field"),
          of("control in name", OK + "X\u0001A: 1\r\n\r\n", "malformed field"),
          of("no colon", OK + "X-A\r\n\r\n", "malformed field"),
          of("no name", OK + ": x\r\n\r\n", "malformed field"),
          of("blank in name", OK + "X A: 1\r\n\r\n", "blank in a field's name"),
          of(
              "a length with a second word",
              OK + "Content-Length x: 2\r\n\r\nok",
              "blank in a field's name"),
          of(
              "control in reason",
              "HTTP/1.1 200 O\u0001K\r\n\r\n",
              "control character in the status line"),
          of(
              "NUL in reason",
              "HTTP/1.1 200 O\u0000K\r\n\r\n",
              "control character in the status line"),
          of(
              "head too large",
              OK + "X-A: " + "a".repeat(70_000) + "\r\n\r\n",
              "head larger than 65536 bytes"),
          of(
              "many fields too large",
              OK + "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(3000) + "\r\n",
              "head larger than 65536 bytes"),
          of("status line too long", "HTTP/1.1 200 " + "a".repeat(20_000), "line too long"),
          of(
              "status 600",
              "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
              "status 600 (expected: 100..599)"),
          of("status 99", "HTTP/1.1 99 X\r\n\r\n", NO_STATUS),
          of("status of four digits", "HTTP/1.1 2000 X\r\n\r\n", NO_STATUS),
          of("signed status", "HTTP/1.1 +20 X\r\n\r\n", NO_STATUS),
          of("status by tab", "HTTP/1.1\t200 X\r\n\r\n", NO_STATUS),
          of("version 1.2", "HTTP/1.2 200 OK\r\n\r\n", NO_STATUS),
          of("version 2", "HTTP/2 200\r\n\r\n", NO_STATUS),
          of("lower case", "http/1.1 200 OK\r\n\r\n", NO_STATUS),
          of("HTTP/0.9", "<html>hello</html>", NO_STATUS),
          of(
              "a TLS alert",
              "\u0015\u0003\u0003\u0000\u0002\u0002F",
              "TLS where plain HTTP was expected (its URL says http)"),
          of(
              "HTTP/2 settings",
              "\u0000\u0000\u0006\u0004\u0000\u0000\u0000\u0000\u0000\u0000\u0003\u0000\u0000\u0000d",
              "binary frames, as of HTTP/2 (expected: HTTP/1.1)"),
          of("a banner", "SSH-2.0-OpenSSH_9.6\r\n", NO_STATUS),
          of("an empty line first", "\r\n" + OK + "\r\n", NO_STATUS),
          of("a request", "GET / HTTP/1.1\r\n\r\n", NO_STATUS),
          of(
              "101 unasked",
              "HTTP/1.1 101 Switching Protocols\r\n\r\n",
              "101 that nobody asked for"),
          of(
              "101 to websocket",
              "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
              "101 that nobody asked for"),
          of(
              "1xx flood",
              "HTTP/1.1 100 Continue\r\n\r\n".repeat(17),
              "more than 16 informational answers"),
          of("chunk size no hex", CHUNKED + "zz\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of("chunk size signed", CHUNKED + "-2\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of("chunk size 0x", CHUNKED + "0x2\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of("chunk size empty", CHUNKED + "\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of("chunk size huge", CHUNKED + "fffffffff\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of("chunk size wraps", CHUNKED + "100000002\r\nok\r\n0\r\n\r\n", CHUNK_SIZE),
          of(
              "chunk longer than its size",
              CHUNKED + "2\r\nokay\r\n0\r\n\r\n",
              "chunk that does not end in CR LF"),
          of(
              "chunk ended by LF",
              CHUNKED + "2\r\nok\n0\r\n\r\n",
              "chunk that does not end in CR LF"),
          of(
              "bare LF after chunk size",
              CHUNKED + "2\nok\r\n0\r\n\r\n",
              "malformed chunk extension"),
          of(
              "bare LF in a trailer",
              CHUNKED + "0\r\nX: 1\n\r\n",
              "line that does not end in CR LF"),
          of("NUL in a trailer", CHUNKED + "0\r\nX: 1\u00002\r\n\r\n", "malformed field"));

  private BadAnswers() {}

  private static Case of(String name, String bytes, String detail) {
    return new Case(name, bytes, detail);
  }
}
