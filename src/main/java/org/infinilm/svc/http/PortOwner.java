package org.infinilm.svc.http;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Names the process that listens on a TCP port of this machine, for error messages (Linux
/// `/proc`).
public final class PortOwner {
  private static final Pattern NATIVE =
      Pattern.compile("^\\w+\\(\\.\\.\\) failed with error\\(-\\d+\\): ");
  private static final Logger LOG = LoggerFactory.getLogger(PortOwner.class);
  private static final Path PROC = Path.of("/proc");
  private static final String V4_IN_V6 = "0000000000000000FFFF0000";
  private static final String ALL_V6 = "0".repeat(32);
  private static final String LISTEN = "0A";
  private static final int MOST_NAME = 120;
  private static final String ESTABLISHED = "01";

  private PortOwner() {}

  /// `pid 123 (/usr/bin/java)`.
  public static String name(long pid) {
    return "pid " + pid + program(PROC.resolve(Long.toString(pid)));
  }

  /// `pid 123 (/usr/bin/java)` of the listener on `port`, when it can be seen.
  public static Optional<String> find(int port) {
    List<String> inodes = sockets(port);
    return inodes.isEmpty() ? Optional.empty() : holder(inodes);
  }

  /// One listening socket.
  ///
  /// @param address as `/proc/net/tcp` and `tcp6` write it, an IPv4 address in IPv6 as itself
  /// @param socket the name that processes hold it by
  public record Listener(String address, String socket) {
    /// Whether it listens on all addresses.
    public boolean onAll() {
      return address.chars().allMatch(c -> c == '0');
    }
  }

  /// Those that the kernel gives connections to `asked`: who listens on this very address, else who
  /// listens on all of its family, else (IPv4) on all of IPv6. Empty when nobody does.
  public static List<Listener> reached(List<Listener> listeners, InetAddress asked) {
    String address = address(asked);
    String all = "0".repeat(address.length());
    for (String level : List.of(address, all, ALL_V6)) {
      List<Listener> there = listeners.stream().filter(l -> l.address().equals(level)).toList();
      if (!there.isEmpty()) {
        return there;
      }
    }
    return List.of();
  }

  /// As `/proc/net/tcp` writes it: words of this machine's byte order.
  private static String address(InetAddress a) {
    ByteBuffer bytes = ByteBuffer.wrap(a.getAddress()).order(ByteOrder.nativeOrder());
    StringBuilder out = new StringBuilder();
    while (bytes.hasRemaining()) {
      out.append(String.format("%08X", bytes.getInt()));
    }
    return out.toString();
  }

  /// The listening sockets on `port`; empty where none can be seen. Several may share it
  /// (`SO_REUSEPORT`).
  public static List<Listener> listeners(int port) {
    List<Listener> out = new ArrayList<>();
    addListeners(PROC.resolve("net/tcp"), port, out);
    addListeners(PROC.resolve("net/tcp6"), port, out);
    return out;
  }

  private static List<String> sockets(int port) {
    return listeners(port).stream().map(Listener::socket).toList();
  }

  /// Whether the descriptors of a process can be looked at; true for one that has ended.
  public static boolean isSeen(long pid) {
    Path process = PROC.resolve(Long.toString(pid));
    return Files.isReadable(process.resolve("fd")) || !Files.exists(process);
  }

  /// The processes that hold each of these sockets, as far as they can be seen; a socket without
  /// any is left out. Empty when this process has no descriptor left to look with.
  public static Optional<Map<String, List<Long>>> holders(List<String> sockets) {
    Map<String, List<Long>> out = new HashMap<>();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : processes) {
        long pid = Long.parseLong(p.getFileName().toString());
        for (String socket : held(p, sockets)) {
          out.computeIfAbsent(socket, _ -> new ArrayList<>()).add(pid);
        }
      }
    } catch (IOException | UncheckedIOException e) {
      return isLack(e) ? Optional.empty() : Optional.of(out);
    }
    return Optional.of(out);
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

  private static void addListeners(Path table, int port, List<Listener> out) {
    String local = String.format(":%04X", port);
    try (Stream<String> lines = Files.lines(table)) {
      lines
          .map(line -> line.strip().split("\\s+"))
          .filter(f -> f.length > 9 && f[3].equals(LISTEN) && f[1].endsWith(local))
          .forEach(f -> out.add(new Listener(address(f[1]), "socket:[" + f[9] + "]")));
    } catch (IOException | UncheckedIOException e) {
      LOG.debug("{} cannot be read", table, e);
    }
  }

  private static String address(String local) {
    String hex = local.substring(0, local.indexOf(':'));
    return hex.startsWith(V4_IN_V6) ? hex.substring(V4_IN_V6.length()) : hex;
  }

  /// The message for a port that cannot be bound.
  static String cannotListen(String host, int port, Throwable cause) {
    String why =
        cause instanceof UnresolvedAddressException
            ? "the name has no address (expected: an address of this machine)"
            : inWords(String.valueOf(cause.getMessage()));
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

  /// What the kernel says without the name of its call.
  private static String inWords(String said) {
    String why = NATIVE.matcher(said).replaceFirst("");
    if (why.contains("Cannot assign requested address")) {
      return "no address of this machine (expected: one of its own, 127.0.0.1, or 0.0.0.0 for all)";
    }
    return why.contains("Permission denied")
        ? "not permitted (expected: a port above 1023, or the right to listen below)"
        : why;
  }

  private static Optional<String> holder(List<String> inodes) {
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : processes) {
        if (!held(p, inodes).isEmpty()) {
          return Optional.of("pid " + p.getFileName() + program(p));
        }
      }
    } catch (IOException | UncheckedIOException unreadable) {
      return Optional.empty();
    }
    return Optional.empty();
  }

  private static boolean isLack(Exception e) {
    return String.valueOf(e.getMessage()).contains("Too many open files");
  }

  private static Set<String> held(Path process, List<String> sockets) {
    Set<String> out = new HashSet<>();
    try (DirectoryStream<Path> fds = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path fd : fds) {
        String held = held(fd);
        if (sockets.contains(held)) {
          out.add(held);
        }
      }
    } catch (IOException e) {
      if (isLack(e)) {
        throw new UncheckedIOException(e);
      }
      // another user's
    }
    return out;
  }

  /// A descriptor may be closed while it is looked at.
  private static String held(Path fd) {
    try {
      return Files.readSymbolicLink(fd).toString();
    } catch (IOException closed) {
      return "";
    }
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
