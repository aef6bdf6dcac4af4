package org.infinilm.svc.router;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.router.Said.End;
import org.infinilm.svc.router.ScriptedInstance.Script;

/// The rows of the fault matrix of instances: what one does wrong, and what the client sees of it
/// when it is alone and when a good one stands beside it.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
final class InstanceFaults {
  private static final String HEAD = "HTTP/1.1 200 OK\r\n";
  private static final String CHUNKED = HEAD + "Transfer-Encoding: chunked\r\n\r\n";
  private static final String LENGTH = HEAD + "Content-Length: 100\r\n\r\n";
  private static final String CLOSE = HEAD + "Content-Type: text/plain\r\n\r\n";
  private static final String SSE = HEAD + "Content-Type: text/event-stream\r\n";
  private static final String SSE_CHUNKED =
      SSE + "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n";
  private static final String SSE_CLOSE = SSE + "\r\ndata: a\n\n";

  /// What the client sees, and how the router calls it.
  record Seen(List<Integer> statuses, End end, String outcome, int attempts) {}

  /// What the instance does, from the start of a connection.
  interface Fault {
    void on(ScriptedInstance i) throws Exception;
  }

  /// @param kept connections of the bad one that may stay open in the pool
  record Cell(
      String name,
      String body,
      Fault fault,
      Seen alone,
      Seen beside,
      int kept,
      List<String> settings) {
    Cell with(String... more) {
      List<String> all = new ArrayList<>(settings);
      all.addAll(List.of(more));
      return new Cell(name, body, fault, alone, beside, kept, all);
    }

    Cell streaming() {
      return new Cell(name, Rig.STREAM, fault, alone, beside, kept, settings);
    }

    /// Another status that it may have alone, where two of the kernel's events race.
    Cell orAlone(int status) {
      List<Integer> both = List.of(alone.statuses().getFirst(), status);
      Seen a = new Seen(both, alone.end(), alone.outcome(), alone.attempts());
      return new Cell(name, body, fault, a, beside, kept, settings);
    }

    Cell keeping() {
      return new Cell(name, body, fault, alone, beside, 1, settings);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static Seen seen(int status, End end, String outcome, int attempts) {
    return new Seen(List.of(status), end, outcome, attempts);
  }

  /// Nobody else could be asked; beside a good one the client notices nothing.
  private static Cell repeated(String name, Fault fault, int status, String outcome) {
    return new Cell(
        name,
        Rig.BODY,
        fault,
        seen(status, End.WHOLE, outcome, 1),
        seen(200, End.WHOLE, "ok", 2),
        0,
        List.of());
  }

  /// The same alone and beside a good one: it is not repeated.
  private static Cell once(String name, Fault fault, int status, End end, String outcome) {
    Seen s = seen(status, end, outcome, 1);
    return new Cell(name, Rig.BODY, fault, s, s, 0, List.of());
  }

  private static Fault script(Script s) {
    return i -> i.script(s);
  }

  /// Says this to a request that was read whole, then does something.
  private static Fault says(String what, ThenDoes then) {
    return script((self, t) -> {
      self.take(t);
      t.say(what);
      then.with(t);
    });
  }

  private interface ThenDoes {
    void with(Talk t) throws IOException;
  }

  private static Fault answers(String whole) {
    return script(ScriptedInstance.answering((r, n) -> whole));
  }

  private static String plain(int status, String fields) {
    return Rig.answer(status, fields, "busy");
  }

  /// All rows.
  static Stream<Cell> cells() {
    return Stream.of(
            refusals(), resets(), closes(), hangs(), drips(), lies(), answersAtOnce(), noHttp())
        .flatMap(s -> s);
  }

  private static Stream<Cell> refusals() {
    return Stream.of(
        repeated("dead engine, healthy babysitter", ScriptedInstance::dies, 503, "upstream_gone"),
        repeated("black hole", ScriptedInstance::blackHole, 504, "timeout"));
  }

  private static Stream<Cell> resets() {
    return Stream.of(
        repeated("reset after accept", script((self, t) -> t.reset()), 502, "upstream_gone")
            .orAlone(503),
        repeated(
            "reset after the request's head",
            script((self, t) -> {
              t.head();
              t.reset();
            }),
            502,
            "upstream_gone"),
        repeated("reset after the request", says("", Talk::reset), 502, "upstream_gone"),
        repeated(
            "reset within the answer's head",
            says("HTTP/1.1 200 OK\r\nContent-", Talk::reset),
            502,
            "upstream_gone"),
        repeated("reset after the answer's head", says(LENGTH, Talk::reset), 502, "upstream_gone"),
        once(
            "reset in a chunked body",
            says(CHUNKED + "4\r\nhalf\r\n", InstanceFaults::pauseAndReset),
            200,
            End.CUT,
            "upstream_gone"),
        once(
            "reset in a body with a length",
            says(LENGTH + "half", InstanceFaults::pauseAndReset),
            200,
            End.CUT,
            "upstream_gone"),
        once(
            "reset in a body that ends by close",
            says(CLOSE + "half", InstanceFaults::pauseAndReset),
            200,
            End.CUT,
            "upstream_gone"),
        once(
                "reset in a chunked stream",
                says(SSE_CHUNKED, InstanceFaults::pauseAndReset),
                200,
                End.CUT,
                "upstream_gone")
            .streaming(),
        once(
                "reset in a stream that ends by close",
                says(SSE_CLOSE, InstanceFaults::pauseAndReset),
                200,
                End.CUT,
                "upstream_gone")
            .streaming());
  }

  /// What was said before it is delivered: a reset throws away what the peer has not read.
  private static void pauseAndReset(Talk t) throws IOException {
    try {
      Thread.sleep(300);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    t.reset();
  }

  private static Stream<Cell> closes() {
    return Stream.of(
        repeated("close after accept", script((self, t) -> t.close()), 502, "upstream_gone"),
        repeated("close after the request", says("", Talk::close), 502, "upstream_gone"),
        repeated(
            "close within the answer's head",
            says("HTTP/1.1 200 OK\r\nContent-", Talk::close),
            502,
            "upstream_gone"),
        repeated("close after the answer's head", says(LENGTH, Talk::close), 502, "upstream_gone"),
        once(
            "close in a chunked body",
            says(CHUNKED + "4\r\nhalf\r\n", Talk::close),
            200,
            End.CUT,
            "upstream_gone"),
        once(
            "close in a body with a length: it promised more",
            says(LENGTH + "half", Talk::close),
            200,
            End.CUT,
            "upstream_gone"),
        once(
            "close at the end of a body", says(CLOSE + "whole", Talk::close), 200, End.WHOLE, "ok"),
        once(
                "close in a chunked stream",
                says(SSE_CHUNKED, Talk::close),
                200,
                End.CUT,
                "upstream_gone")
            .streaming(),
        once(
                "close in a stream that ends by close",
                says(SSE_CLOSE, Talk::close),
                200,
                End.CUT,
                "upstream_gone")
            .streaming());
  }

  private static Stream<Cell> hangs() {
    return Stream.of(
            once("hangs after accept", script((self, t) -> t.hang()), 504, End.WHOLE, "timeout"),
            once("hangs after the request", says("", Talk::hang), 504, End.WHOLE, "timeout"),
            once(
                "hangs within the answer's head",
                says("HTTP/1.1 200 OK\r\nContent-", Talk::hang),
                504,
                End.WHOLE,
                "timeout"),
            once(
                "hangs after the answer's head",
                says(LENGTH, Talk::hang),
                504,
                End.WHOLE,
                "timeout"),
            once(
                "hangs in a chunked body",
                says(CHUNKED + "4\r\nhalf\r\n", Talk::hang),
                200,
                End.CUT,
                "timeout"),
            once(
                "hangs in a body with a length",
                says(LENGTH + "half", Talk::hang),
                200,
                End.CUT,
                "timeout"),
            once(
                "hangs in a body that ends by close",
                says(CLOSE + "half", Talk::hang),
                200,
                End.CUT,
                "timeout"),
            once("hangs in a stream", says(SSE_CHUNKED, Talk::hang), 200, End.CUT, "timeout")
                .streaming(),
            repeated(
                    "hangs after the request, with a limit of the first byte",
                    says("", Talk::hang),
                    504,
                    "timeout")
                .with("first_byte_timeout=1"),
            repeated(
                    "hangs after the answer's head, with a limit of the first byte",
                    says(LENGTH, Talk::hang),
                    504,
                    "timeout")
                .with("first_byte_timeout=1"))
        .map(c -> c.with("proxy_timeout=2"));
  }

  private static Stream<Cell> drips() {
    String long60 = "abcdefghij".repeat(6);
    String whole = "Content-Length: 60\r\n\r\n" + long60;
    return Stream.of(
            once(
                "drips its whole answer",
                script((self, t) -> {
                  self.take(t);
                  t.drip(HEAD + whole, 5);
                  t.hang();
                }),
                200,
                End.WHOLE,
                "ok"),
            once(
                    "drips a body for longer than the limit between its bytes",
                    script((self, t) -> {
                      self.take(t);
                      t.say(HEAD + "Content-Length: 60\r\n\r\n");
                      t.drip(long60, 60);
                      t.hang();
                    }),
                    200,
                    End.WHOLE,
                    "ok")
                .with("proxy_timeout=2"))
        .map(Cell::keeping);
  }

  private static Stream<Cell> lies() {
    return Stream.of(
        once(
                "promises more than it sends, and stays",
                says(LENGTH + "half", Talk::hang),
                200,
                End.CUT,
                "timeout")
            .with("proxy_timeout=2"),
        once(
            "sends more than it promised",
            answers(Rig.OK + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
            200,
            End.WHOLE,
            "ok"));
  }

  private static Stream<Cell> answersAtOnce() {
    return Stream.of(
            repeated("500 at once", answers(plain(500, "")), 500, "upstream_error"),
            repeated("502 at once", answers(plain(502, "")), 502, "upstream_error"),
            repeated("503 at once", answers(plain(503, "")), 503, "upstream_error"),
            repeated(
                "503 with Retry-After",
                answers(plain(503, "Retry-After: 7\r\n")),
                503,
                "upstream_error"),
            repeated(
                "429 with Retry-After",
                answers(plain(429, "Retry-After: 7\r\n")),
                429,
                "client_error"),
            repeated("501 at once", answers(plain(501, "")), 501, "upstream_error"),
            once("504 at once", answers(plain(504, "")), 504, End.WHOLE, "upstream_error"),
            once("400 at once", answers(plain(400, "")), 400, End.WHOLE, "client_error"),
            repeated("404 at once", answers(plain(404, "")), 404, "client_error"))
        .map(Cell::keeping);
  }

  private static Stream<Cell> noHttp() {
    return Stream.of(
        repeated(
            "speaks no HTTP", says("220 smtp ready\r\n\r\n", Talk::hang), 502, "upstream_gone"),
        repeated(
            "an endless head",
            script((self, t) -> {
              self.take(t);
              t.say("HTTP/1.1 200 OK\r\nX: " + "a".repeat(100_000));
              t.hang();
            }),
            502,
            "upstream_gone"),
        repeated(
            "two lengths",
            says(HEAD + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", Talk::hang),
            502,
            "upstream_gone"),
        once(
            "a chunk size that is no number, within the body",
            says(CHUNKED + "4\r\nhalf\r\nzz\r\n", Talk::hang),
            200,
            End.CUT,
            "upstream_gone"));
  }

  private InstanceFaults() {}
}
