package org.infinilm.svc.router;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/// What the kernel says a process holds (Linux).
final class Descriptors {
  private Descriptors() {}

  /// Sockets of this process.
  static long sockets() throws IOException {
    return sockets("self");
  }

  static long sockets(long pid) throws IOException {
    return sockets(Long.toString(pid));
  }

  private static long sockets(String pid) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc", pid, "fd"))) {
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

  /// Threads that the kernel knows of.
  static long threads(long pid) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc", Long.toString(pid), "task"))) {
      return all.count();
    }
  }

  /// Resident memory, in KiB.
  static long residentKib(long pid) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc", Long.toString(pid), "status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return 0;
  }
}
