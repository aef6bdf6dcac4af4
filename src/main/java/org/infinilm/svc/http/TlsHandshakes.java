package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.handler.ssl.NotSslRecordException;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeTimeoutException;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.nio.channels.ClosedChannelException;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The handshakes of one listener: how they ended, and a limit on those that go on. Thread-safe.
final class TlsHandshakes {
  /// How one ended.
  enum End {
    DONE,
    FAILED,
    TIMED_OUT,
    /// Plain HTTP was sent.
    PLAINTEXT,
    /// The client left before the end.
    LEFT,
    /// Too many went on at once.
    TURNED_AWAY
  }

  /// At once; the one that waits for the longest time gives way to the next.
  private static final int MOST = 1024;

  static final long LIMIT_MILLIS = 10_000;

  /// Reasons that are told in the log, each once.
  private static final int MOST_TOLD = 32;

  private static final Logger LOG = LoggerFactory.getLogger(Tls.class);
  private static final String ALERT = "Received fatal alert: ";

  /// Does what takes long in a handshake: a signature of RSA takes a millisecond, for which no
  /// stream of the event loop is to wait.
  private static final class Workers {
    static final ThreadPoolExecutor POOL = pool();

    private static ThreadPoolExecutor pool() {
      int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
      ThreadPoolExecutor p =
          new ThreadPoolExecutor(
              threads,
              threads,
              10,
              TimeUnit.SECONDS,
              new LinkedBlockingQueue<>(),
              new DefaultThreadFactory("tls", true));
      p.allowCoreThreadTimeOut(true);
      return p;
    }
  }

  private final Set<Channel> going = new LinkedHashSet<>();
  private final Map<End, AtomicLong> counts = new EnumMap<>(End.class);
  private final Set<String> told = ConcurrentHashMap.newKeySet();

  private final int most;

  TlsHandshakes() {
    this(MOST);
  }

  /// @param most that go on at once
  TlsHandshakes(int most) {
    this.most = most;
    for (End e : End.values()) {
      counts.put(e, new AtomicLong());
    }
  }

  static ThreadPoolExecutor workers() {
    return Workers.POOL;
  }

  /// Counts a handshake from now until it ends.
  void begin(Channel c, SslHandler handler) {
    Channel oldest = null;
    synchronized (going) {
      going.add(c);
      if (going.size() > most) {
        oldest = going.iterator().next();
        going.remove(oldest);
      }
    }
    if (oldest != null) {
      count(End.TURNED_AWAY);
      oldest.close();
    }
    handler.handshakeFuture().addListener(f -> ended(c, f.cause()));
  }

  /// A client spoke plain HTTP.
  void plain(Channel c) {
    if (over(c)) {
      count(End.PLAINTEXT);
    }
  }

  private boolean over(Channel c) {
    synchronized (going) {
      return going.remove(c);
    }
  }

  private void ended(Channel c, @Nullable Throwable cause) {
    if (over(c)) {
      End end = end(cause);
      count(end);
      if (end == End.FAILED && cause != null) {
        tell(reason(cause));
      }
    }
  }

  private void count(End end) {
    counts.getOrDefault(end, new AtomicLong()).incrementAndGet();
  }

  private void tell(String why) {
    if (told.size() < MOST_TOLD && told.add(why)) {
      LOG.info("a TLS handshake failed: {} (told once, then only counted)", why);
    }
  }

  private static End end(@Nullable Throwable cause) {
    return switch (cause) {
      case null -> End.DONE;
      case SslHandshakeTimeoutException e -> End.TIMED_OUT;
      case ClosedChannelException e -> End.LEFT;
      default -> End.FAILED;
    };
  }

  /// Why a client's handshake failed, in words of the server's side (RFC 8446 section 6.2).
  static String reason(Throwable cause) {
    if (cause instanceof NotSslRecordException) {
      return "no TLS was sent";
    }
    String m = String.valueOf(cause.getMessage());
    int at = m.indexOf(ALERT);
    if (at < 0) {
      return m.startsWith("Empty client certificate chain")
          ? "the client showed no certificate (expected: one of tls_client_ca)"
          : m;
    }
    String alert = m.substring(at + ALERT.length()).strip();
    return switch (alert) {
      case "unknown_ca", "certificate_unknown", "bad_certificate" ->
          "the client does not believe the certificate: " + alert;
      default -> "the client ended it: " + alert;
    };
  }

  Map<String, Long> counts() {
    Map<String, Long> out = new TreeMap<>();
    counts.forEach((end, n) -> out.put(end.name().toLowerCase(Locale.ROOT), n.get()));
    return out;
  }
}
