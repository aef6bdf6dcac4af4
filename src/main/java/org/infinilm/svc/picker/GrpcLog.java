package org.infinilm.svc.picker;

import java.time.Duration;
import java.time.Instant;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.SimpleFormatter;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;

/// What gRPC says of itself, which it does by `java.util.logging`, in a line of our log each and
/// without its stack. Who speaks no HTTP/2 to the port would fill the log, a connection at a time:
/// of such lines, which gRPC calls information, there is one a minute at most. Thread-safe.
final class GrpcLog extends Handler {
  /// Held, as a logger that nobody holds forgets its handlers.
  private static final java.util.logging.Logger GRPC =
      java.util.logging.Logger.getLogger("io.grpc");

  private static final Formatter WORDS = new SimpleFormatter();
  private static final Duration AGAIN = Duration.ofMinutes(1);

  private final Logger to;
  private @Nullable Instant last;

  GrpcLog(Logger to) {
    this.to = to;
  }

  /// Puts it in place of what would go to the process's standard error.
  static GrpcLog open(Logger to) {
    GrpcLog log = new GrpcLog(to);
    GRPC.setUseParentHandlers(false);
    GRPC.addHandler(log);
    return log;
  }

  @Override
  public void publish(LogRecord r) {
    if (r.getLevel().intValue() >= Level.WARNING.intValue() || isDue(r.getInstant())) {
      to.warn("gRPC: {}", line(r));
    } else {
      to.debug("gRPC: {}", line(r));
    }
  }

  private synchronized boolean isDue(Instant now) {
    Instant before = last;
    if (before != null && now.isBefore(before.plus(AGAIN))) {
      return false;
    }
    last = now;
    return true;
  }

  private static String line(LogRecord r) {
    StringBuilder out = new StringBuilder(WORDS.formatMessage(r));
    Throwable t = r.getThrown();
    if (t != null) {
      out.append(": ")
          .append(t.getMessage() == null ? t.getClass().getSimpleName() : t.getMessage());
    }
    return out.toString().replaceAll("\\s+", " ").strip();
  }

  @Override
  public void flush() {}

  /// Takes it away again.
  @Override
  public void close() {
    GRPC.removeHandler(this);
  }
}
