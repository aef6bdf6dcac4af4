package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// One sequence of the native cache, the tokens it holds and whose cells they are in. Engine thread
/// only.
final class Sequence {
  /// A run of cells: those in which one sequence stored these positions first.
  private record Span(Owner owner, int from, int to) {}

  /// Stands for a sequence in the spans of others, which may outlive it.
  private static final class Owner {}

  private final Owner self = new Owner();

  private final int id;
  private final int promptTokens;
  private final List<Span> spans = new ArrayList<>();
  private int[] tokens;
  private int stored;

  /// An empty sequence that is to hold a prompt.
  Sequence(int id, int[] prompt) {
    this.id = id;
    this.promptTokens = prompt.length;
    this.tokens = prompt.clone();
  }

  int id() {
    return id;
  }

  /// How many tokens are in the cache; their positions are 0 up to it.
  int stored() {
    return stored;
  }

  /// The first `to` tokens of the prompt are in the cache now, the new ones in cells of their own.
  void storedUpTo(int to) {
    own(stored, to);
    stored = to;
  }

  /// One more token is in the cache.
  void append(int token) {
    if (stored == tokens.length) {
      tokens = Arrays.copyOf(tokens, stored + Math.max(64, stored / 2));
    }
    tokens[stored] = token;
    own(stored, stored + 1);
    stored++;
  }

  /// The positions from what is stored up to `to` are now the same cells as those of `other`.
  void shareUpTo(int to, Sequence other) {
    for (Span s : other.spans) {
      int from = Math.max(s.from(), stored);
      int end = Math.min(s.to(), to);
      if (from < end) {
        spans.add(new Span(s.owner(), from, end));
      }
    }
    stored = Math.max(stored, to);
  }

  private void own(int from, int to) {
    Span last = spans.isEmpty() ? null : spans.getLast();
    if (last != null && last.owner() == self) {
      spans.set(spans.size() - 1, new Span(self, last.from(), to));
    } else if (from < to) {
      spans.add(new Span(self, from, to));
    }
  }

  /// The length of the longest common beginning of `prompt` and what is stored.
  int common(int[] prompt) {
    return common(prompt, stored);
  }

  /// As [#common], with the rest of this sequence's own prompt as if it were stored.
  int commonExpected(int[] prompt) {
    return common(prompt, Math.max(stored, promptTokens));
  }

  private int common(int[] prompt, int length) {
    int n = Arrays.mismatch(tokens, 0, length, prompt, 0, prompt.length);
    return n < 0 ? length : n;
  }

  /// Whether everything stored here is the beginning of what `other` holds.
  boolean isPrefixOf(Sequence other) {
    return stored <= other.stored && Arrays.equals(tokens, 0, stored, other.tokens, 0, stored);
  }

  /// The number of cells that these sequences hold together, shared ones counted once.
  static int cells(Stream<Sequence> sequences) {
    Map<Owner, List<Span>> byOwner = new HashMap<>();
    sequences.forEach(s -> {
      for (Span span : s.spans) {
        byOwner.computeIfAbsent(span.owner(), o -> new ArrayList<>()).add(span);
      }
    });
    int cells = 0;
    for (List<Span> own : byOwner.values()) {
      own.sort((a, b) -> Integer.compare(a.from(), b.from()));
      int covered = 0;
      for (Span s : own) {
        cells += Math.max(0, s.to() - Math.max(covered, s.from()));
        covered = Math.max(covered, s.to());
      }
    }
    return cells;
  }
}
