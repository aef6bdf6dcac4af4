package org.infinilm.svc.http;

import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.unix.Errors.NativeIoException;
import java.io.FileNotFoundException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Failure.Kind;

/// Says of a connection that was not made whose fault that is: Linux error numbers where a native
/// socket gives them, classes and messages of the JDK's sockets elsewhere.
final class Unconnected {
  private static final String NO_DESCRIPTOR = "no file descriptor left";
  private static final String NO_PORT = "no local port left";
  private static final String NO_SOCKET_MEMORY = "no memory for a socket";
  private static final String NO_MEMORY = "out of memory";
  private static final Set<String> LACKS =
      Set.of(NO_DESCRIPTOR, NO_PORT, NO_SOCKET_MEMORY, NO_MEMORY);

  private static final Pattern NATIVE = Pattern.compile("failed with error\\(-(\\d+)\\)");

  private Unconnected() {}

  /// @param atOnce whether the kernel refused at once, before a packet can have left
  static Failure failure(Throwable cause, boolean atOnce) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      if (t instanceof OutOfMemoryError) {
        return new Failure(Kind.LOCAL, NO_MEMORY);
      }
      int errno = errno(t);
      if (errno > 0) {
        return of(errno, t);
      }
    }
    return switch (cause) {
      case ConnectTimeoutException e -> new Failure(Kind.CONNECT_TIMEOUT, "no answer");
      case NoRouteToHostException e -> unreachable(atOnce);
      case FileNotFoundException e -> new Failure(Kind.CONNECT_REFUSED, "no such socket");
      case BindException e -> new Failure(Kind.LOCAL, NO_PORT);
      case ConnectException e -> ofMessage(e, new Failure(Kind.CONNECT_REFUSED, "refused"));
      default -> ofMessage(cause, new Failure(Kind.LOCAL, String.valueOf(cause.getMessage())));
    };
  }

  /// Whether this process or its host ran out of something, as against a server that cannot be
  /// reached from here.
  static boolean lacked(Failure f) {
    return f.kind() == Kind.LOCAL && LACKS.contains(f.detail());
  }

  private static int errno(Throwable t) {
    if (t instanceof NativeIoException e) {
      return -e.expectedErr();
    }
    Matcher m = NATIVE.matcher(String.valueOf(t.getMessage()));
    return m.find() && m.group(1).length() < 6 ? Integer.parseInt(m.group(1)) : 0;
  }

  private static Failure unreachable(boolean atOnce) {
    return atOnce
        ? new Failure(Kind.LOCAL, "no route from this host")
        : new Failure(Kind.CONNECT_TIMEOUT, "host unreachable");
  }

  /// By `errno.h` of Linux.
  private static Failure of(int errno, Throwable t) {
    return switch (errno) {
      case 23, 24 -> new Failure(Kind.LOCAL, NO_DESCRIPTOR);
      case 12, 105 -> new Failure(Kind.LOCAL, NO_SOCKET_MEMORY);
      case 98, 99 -> new Failure(Kind.LOCAL, NO_PORT);
      case 101 -> new Failure(Kind.LOCAL, "no route from this host");
      case 2 -> new Failure(Kind.CONNECT_REFUSED, "no such socket");
      // of a unix socket: as many wait to be accepted as may
      case 11 -> new Failure(Kind.CONNECT_TIMEOUT, "does not accept");
      case 1, 13 -> new Failure(Kind.LOCAL, "not permitted on this host");
      case 104, 32 -> new Failure(Kind.CONNECT_REFUSED, "reset");
      case 111 -> new Failure(Kind.CONNECT_REFUSED, "refused");
      case 110 -> new Failure(Kind.CONNECT_TIMEOUT, "no answer");
      case 113, 112 -> new Failure(Kind.CONNECT_TIMEOUT, "host unreachable");
      default -> new Failure(Kind.LOCAL, String.valueOf(t.getMessage()));
    };
  }

  private static Failure ofMessage(Throwable t, Failure otherwise) {
    String m = String.valueOf(t.getMessage());
    if (m.contains("Too many open files")) {
      return new Failure(Kind.LOCAL, NO_DESCRIPTOR);
    }
    if (m.contains("Cannot assign requested address")) {
      return new Failure(Kind.LOCAL, NO_PORT);
    }
    if (m.contains("Network is unreachable")) {
      return new Failure(Kind.LOCAL, "no route from this host");
    }
    if (m.contains("Permission denied") || m.contains("Operation not permitted")) {
      return new Failure(Kind.LOCAL, "not permitted on this host");
    }
    if (m.contains("Connection reset")) {
      return new Failure(Kind.CONNECT_REFUSED, "reset");
    }
    if (m.contains("timed out")) {
      return new Failure(Kind.CONNECT_TIMEOUT, "no answer");
    }
    return otherwise;
  }
}
