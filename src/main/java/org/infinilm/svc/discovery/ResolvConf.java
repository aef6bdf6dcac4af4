package org.infinilm.svc.discovery;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Whom the system asks for a name, and in which domains it looks for it: `nameserver`, `search`
/// and `ndots` of resolv.conf(5).
///
/// @param servers in order; where a file names none that is an address, the one of this machine, as
///   glibc has it
/// @param ndots from so many dots on a name is taken as it is first
record ResolvConf(List<InetSocketAddress> servers, List<String> search, int ndots) {
  private static final int PORT = 53;
  private static final List<InetSocketAddress> HERE =
      List.of(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), PORT));
  static final ResolvConf NONE = new ResolvConf(HERE, List.of(), 1);
  private static final int MOST_NDOTS = 15;

  ResolvConf {
    servers = List.copyOf(servers);
    search = List.copyOf(search);
  }

  /// That of a file, read anew each time. While it cannot be read, or says nothing (it may just be
  /// being written), that of before counts, and while it names no server those of before; none
  /// before the first.
  static Supplier<ResolvConf> following(Path file) {
    AtomicReference<ResolvConf> last = new AtomicReference<>(NONE);
    return () -> last.updateAndGet(before -> of(file, before));
  }

  private static ResolvConf of(Path file, ResolvConf before) {
    List<InetSocketAddress> servers = new ArrayList<>();
    List<String> search = List.of();
    int ndots = 1;
    boolean empty = true;
    try {
      for (String line : Files.readAllLines(file)) {
        List<String> words = List.of(line.strip().split("\\s+"));
        empty &= words.getFirst().matches("([#;].*)?");
        switch (words.getFirst()) {
          case "nameserver" -> {
            InetSocketAddress a = words.size() < 2 ? null : address(words.get(1));
            if (a != null) {
              servers.add(a);
            }
          }
          case "search", "domain" -> search = words.subList(1, words.size());
          case "options" -> {
            for (String w : words) {
              if (w.matches("ndots:[0-9]{1,3}")) {
                ndots = Math.min(MOST_NDOTS, Integer.parseInt(w.substring("ndots:".length())));
              }
            }
          }
          default -> {}
        }
      }
    } catch (IOException absent) {
      return before;
    }
    return empty
        ? before
        : new ResolvConf(servers.isEmpty() ? before.servers : servers, search, ndots);
  }

  /// Null of what is no address: such a line is passed over.
  private static @Nullable InetSocketAddress address(String word) {
    try {
      return new InetSocketAddress(InetAddress.ofLiteral(word), PORT);
    } catch (IllegalArgumentException none) {
      return null;
    }
  }

  /// Names to ask for, in order, each with a dot at its end.
  List<String> candidates(String name) {
    if (name.endsWith(".")) {
      return List.of(name);
    }
    List<String> out = new ArrayList<>();
    for (String domain : search) {
      if (!domain.equals(".")) {
        out.add(NameServers.canonical(name + "." + domain));
      }
    }
    boolean first = name.chars().filter(c -> c == '.').count() >= ndots;
    out.add(first ? 0 : out.size(), name + ".");
    return out;
  }
}
