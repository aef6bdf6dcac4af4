package org.infinilm.svc.router;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// What the kernel says a process holds (Linux).
final class Descriptors {
  private Descriptors() {}

  /// Sockets of a process.
  static long sockets(long pid) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc", Long.toString(pid), "fd"))) {
      return all.filter(Descriptors::isSocket).count();
    }
  }

  private static boolean isSocket(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
    } catch (IOException closedMeanwhile) {
      return false;
    }
  }

  /// Open connections whose own end has this port, of any process; listeners and what the kernel
  /// ends by itself are left out.
  static long connections(int port) throws IOException {
    String local = String.format(Locale.ROOT, ":%04X ", port);
    long n = 0;
    for (String table : List.of("tcp", "tcp6")) {
      for (String line : Files.readAllLines(Path.of("/proc/net", table))) {
        String[] f = line.strip().split("\\s+");
        n += (f[1] + " ").endsWith(local) && !f[3].equals("0A") && !f[9].equals("0") ? 1 : 0;
      }
    }
    return n;
  }

  /// Threads that the kernel knows of.
  static long threads(long pid) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc", Long.toString(pid), "task"))) {
      return all.count();
    }
  }
}
