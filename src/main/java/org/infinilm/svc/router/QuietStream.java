package org.infinilm.svc.router;

import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Keeps a stream from falling silent, for clients behind proxies that cut what is silent: after
/// each pause of a given length an SSE comment, before the first byte of an answer too (the head
/// goes out then). Event-loop confined.
final class QuietStream {
  private static final byte[] COMMENT = ": waiting\n\n".getBytes(StandardCharsets.US_ASCII);
  private static final int MOST_SAID = 300;

  private final Inbound in;
  private final String requestId;
  private final Duration pause;
  private final Ticker ticker;
  private @Nullable Supplier<@Nullable String> progress;
  private @Nullable Runnable timer;
  private @Nullable Answer answer;
  private boolean started;
  private boolean over;

  /// When the client got something last.
  private long heardNanos;

  QuietStream(Inbound in, String requestId, Duration pause, Ticker ticker) {
    this.in = in;
    this.requestId = requestId;
    this.pause = pause;
    this.ticker = ticker;
    heard();
    next(pause.toNanos());
  }

  /// Comments say so much of what is waited for; nothing for null.
  void tells(Supplier<@Nullable String> what) {
    progress = what;
  }

  private void next(long nanos) {
    timer = in.later(Duration.ofNanos(nanos), this::quiet);
  }

  /// Something goes to the client now.
  void heard() {
    heardNanos = ticker.nanos();
  }

  /// Whether the client has the head of a stream.
  boolean started() {
    return started;
  }

  /// The answer whose bytes count from now on; null when it has failed.
  void follows(@Nullable Answer a) {
    answer = a;
    if (a != null && started) {
      a.beginEarly();
    }
  }

  private void quiet() {
    if (over) {
      return;
    }
    long left = pause.toNanos() - (ticker.nanos() - heardNanos);
    if (left > 0) {
      next(left);
      return;
    }
    Answer a = answer;
    if (a == null || a.tap().bytes() == 0) {
      begin(a);
      comment();
    } else if (a.betweenEvents()) {
      comment();
    }
    heard();
    next(pause.toNanos());
  }

  private void begin(@Nullable Answer a) {
    if (!started) {
      started = true;
      in.startStream(List.of(new Header("x-request-id", requestId)));
      if (a != null) {
        a.beginEarly();
      }
    }
  }

  private void comment() {
    if (in.isWritable() && in.takesOurs()) {
      Supplier<@Nullable String> of = progress;
      String said = answer != null || of == null ? null : of.get();
      in.relayBody(Unpooled.wrappedBuffer(said == null ? COMMENT : comment(said)));
      in.flush();
    }
  }

  /// One line: what begins another one would be no comment.
  static byte[] comment(String said) {
    String line = said.replaceAll("[\\p{Cntrl}\\u0085\\u2028\\u2029]+", " ");
    String most = line.length() > MOST_SAID ? line.substring(0, MOST_SAID) : line;
    return (": waiting, " + most + "\n\n").getBytes(StandardCharsets.UTF_8);
  }

  void end() {
    over = true;
    Runnable t = timer;
    if (t != null) {
      t.run();
    }
  }
}
