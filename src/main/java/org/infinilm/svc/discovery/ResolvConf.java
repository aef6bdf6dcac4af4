package org.infinilm.svc.discovery;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// In which domains the system looks for a name: `search` and `ndots` of resolv.conf(5).
///
/// @param ndots from so many dots on a name is taken as it is first
record ResolvConf(List<String> search, int ndots) {
  static final ResolvConf NONE = new ResolvConf(List.of(), 1);
  private static final int MOST_NDOTS = 15;

  ResolvConf {
    search = List.copyOf(search);
  }

  /// That of a file; one that cannot be read has none.
  static ResolvConf of(Path file) {
    List<String> search = List.of();
    int ndots = 1;
    try {
      for (String line : Files.readAllLines(file)) {
        List<String> words = List.of(line.strip().split("\\s+"));
        switch (words.getFirst()) {
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
      return NONE;
    }
    return new ResolvConf(search, ndots);
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
