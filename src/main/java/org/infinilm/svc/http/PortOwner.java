package org.infinilm.svc.http;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Names the process that listens on a TCP port of this machine, for error messages (Linux
/// `/proc`).
public final class PortOwner {
  private static final Logger LOG = LoggerFactory.getLogger(PortOwner.class);
  private static final Path PROC = Path.of("/proc");
  private static final String LISTEN = "0A";
  private static final int MOST_NAME = 120;
  private static final String ESTABLISHED = "01";

  private PortOwner() {}

  /// `pid 123 (/usr/bin/java)` of the listener on `port`, when it can be seen.
  public static Optional<String> find(int port) {
    List<String> inodes = sockets(port);
    return inodes.isEmpty() ? Optional.empty() : holder(inodes);
  }

  /// The listening sockets on `port`, as the names that processes hold them by; empty where none
  /// can be seen.
  public static List<String> sockets(int port) {
    List<String> inodes = new ArrayList<>();
    addInodes(PROC.resolve("net/tcp"), port, inodes);
    addInodes(PROC.resolve("net/tcp6"), port, inodes);
    return inodes;
  }

  /// Whether the descriptors of a process can be looked at; true for one that has ended.
  public static boolean isSeen(long pid) {
    Path process = PROC.resolve(Long.toString(pid));
    return Files.isReadable(process.resolve("fd")) || !Files.exists(process);
  }

  /// The processes that hold one of these sockets, as far as they can be seen.
  public static List<Long> holders(List<String> sockets) {
    List<Long> out = new ArrayList<>();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : processes) {
        if (holds(p, sockets)) {
          out.add(Long.parseLong(p.getFileName().toString()));
        }
      }
    } catch (IOException unreadable) {
      return out;
    }
    return out;
  }

  /// How many connections to `port` of this machine are established.
  public static int connections(int port) {
    return count(PROC.resolve("net/tcp"), port) + count(PROC.resolve("net/tcp6"), port);
  }

  private static int count(Path table, int port) {
    String local = String.format(":%04X", port);
    try (Stream<String> lines = Files.lines(table)) {
      return (int)
          lines
              .map(line -> line.strip().split("\\s+"))
              .filter(f -> f.length > 9 && f[3].equals(ESTABLISHED) && f[1].endsWith(local))
              .count();
    } catch (IOException | UncheckedIOException e) {
      return 0;
    }
  }

  private static void addInodes(Path table, int port, List<String> inodes) {
    String local = String.format(":%04X", port);
    try (Stream<String> lines = Files.lines(table)) {
      lines
          .map(line -> line.strip().split("\\s+"))
          .filter(f -> f.length > 9 && f[3].equals(LISTEN) && f[1].endsWith(local))
          .forEach(f -> inodes.add("socket:[" + f[9] + "]"));
    } catch (IOException | UncheckedIOException e) {
      LOG.debug("{} cannot be read", table, e);
    }
  }

  /// The message for a port that cannot be bound.
  static String cannotListen(String host, int port, Throwable cause) {
    String why =
        cause instanceof UnresolvedAddressException
            ? "the name has no address (expected: an address of this machine)"
            : String.valueOf(cause.getMessage());
    if (why.contains("in use") || cause instanceof java.net.BindException) {
      return "cannot listen on "
          + host
          + ":"
          + port
          + ": "
          + find(port).map(o -> "the port is held by " + o).orElse(why);
    }
    return "cannot listen on " + host + ":" + port + ": " + why;
  }

  private static Optional<String> holder(List<String> inodes) {
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : processes) {
        if (holds(p, inodes)) {
          return Optional.of("pid " + p.getFileName() + program(p));
        }
      }
    } catch (IOException unreadable) {
      return Optional.empty();
    }
    return Optional.empty();
  }

  private static boolean holds(Path process, List<String> inodes) {
    try (DirectoryStream<Path> fds = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path fd : fds) {
        if (inodes.contains(Files.readSymbolicLink(fd).toString())) {
          return true;
        }
      }
    } catch (IOException notOurs) {
      return false;
    }
    return false;
  }

  private static String program(Path process) {
    try {
      return program(Files.readString(process.resolve("cmdline"), StandardCharsets.ISO_8859_1));
    } catch (IOException gone) {
      return "";
    }
  }

  /// The first word of a command line alone: what follows may be a secret. Some programs write all
  /// of it into the first argument.
  static String program(String commandLine) {
    String word = commandLine.strip().split("[\\x00 ]", 2)[0];
    return word.isEmpty()
        ? ""
        : " (" + (word.length() > MOST_NAME ? word.substring(0, MOST_NAME) + "..." : word) + ")";
  }
}
