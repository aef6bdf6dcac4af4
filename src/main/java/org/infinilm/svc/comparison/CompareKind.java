package org.infinilm.svc.comparison;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.infinilm.svc.results.ResultFile;

/// What can be compared: the sides, the words in a file name or label that tell them, the titles.
public enum CompareKind {
  CACHE_TYPES("cache-types", "Cache Type Comparison: Paged vs Static"),
  STRATEGIES("strategies", "Routing Strategy Comparison: Size-Based vs 2-Paged Round-Robin"),
  CACHE_ROUTING("cache-routing", "Comprehensive Benchmark Comparison"),
  /// Any two files; the first is the baseline.
  RUNS("runs", "Comparison of two runs");

  /// One side. The first one of a kind that is there is the baseline.
  ///
  /// @param words what a name or label of this side contains, as a regular expression
  record Seat(String key, String title, String column, String words) {}

  final String word;
  final String title;

  CompareKind(String word, String title) {
    this.word = word;
    this.title = title;
  }

  List<Seat> seats() {
    return switch (this) {
      case CACHE_TYPES ->
          List.of(
              new Seat("paged", "Paged Cache", "Paged", "paged"),
              new Seat("static", "Static Cache", "Static", "static"));
      case STRATEGIES ->
          List.of(
              new Seat("2paged", "2-Paged Round-Robin", "2-Paged RR", "2paged"),
              new Seat("size-based", "Size-Based Routing", "Size-Based", "size-based"));
      case CACHE_ROUTING ->
          List.of(
              new Seat("single", "Single Instance", "Single", "single"),
              new Seat("roundrobin", "Round-Robin", "Round-Robin", "round-?robin"),
              new Seat("cache-routing", "Cache Routing", "Cache Routing", "cache-routing"));
      case RUNS -> List.of();
    };
  }

  static Optional<CompareKind> byWord(String word) {
    for (CompareKind k : values()) {
      if (k.word.equals(word)) {
        return Optional.of(k);
      }
    }
    return Optional.empty();
  }

  /// The side that a file belongs to: its name says so, else its label.
  Optional<Seat> seatOf(ResultFile file) {
    return seatOf(file.name()).or(() -> seatOf(file.label()));
  }

  /// The side that a text names. One at its beginning decides, else the only one that occurs.
  /// `2paged` names a pair of paged instances, which is neither paged nor static.
  Optional<Seat> seatOf(String text) {
    String t = text.toLowerCase(Locale.ROOT);
    if (this == CACHE_TYPES) {
      t = t.replace("2paged", "").replace("2-paged", "");
    }
    String name = t;
    List<Seat> first =
        seats().stream().filter(s -> name.matches("(?s)(" + s.words() + ").*")).toList();
    List<Seat> anywhere =
        seats().stream().filter(s -> name.matches("(?s).*(" + s.words() + ").*")).toList();
    return first.size() == 1
        ? Optional.of(first.getFirst())
        : anywhere.size() == 1 ? Optional.of(anywhere.getFirst()) : Optional.empty();
  }
}
