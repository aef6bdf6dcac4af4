package org.infinilm.svc.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.stream.IntStream;

/// The tokens of a vocabulary below those that they begin with: a form that does not go on with a
/// token goes on with none below it. Immutable.
final class PieceTree {
  private final int[] above;
  private final int[][] levels;

  /// @param pieces bytes of the tokens
  /// @param ends tokens that end an answer; they stand alone, as do those without bytes
  PieceTree(byte[][] pieces, int[] ends) {
    above = new int[pieces.length];
    Arrays.fill(above, -1);
    int[] depth = new int[pieces.length];
    int[] apart = ends.clone();
    Arrays.sort(apart);
    Integer[] sorted =
        IntStream.range(0, pieces.length)
            .filter(t -> pieces[t].length > 0 && Arrays.binarySearch(apart, t) < 0)
            .boxed()
            .sorted(
                Comparator.comparing((Integer t) -> pieces[t], Arrays::compareUnsigned)
                    .thenComparing(t -> t))
            .toArray(Integer[]::new);
    Deque<Integer> open = new ArrayDeque<>();
    for (int token : sorted) {
      while (!open.isEmpty() && !begins(pieces[open.getLast()], pieces[token])) {
        open.removeLast();
      }
      if (!open.isEmpty()) {
        above[token] = open.getLast();
        depth[token] = depth[open.getLast()] + 1;
      }
      open.addLast(token);
    }
    int deepest = Arrays.stream(depth).max().orElse(0);
    List<int[]> all = new ArrayList<>();
    for (int d = 0; d <= deepest; d++) {
      int level = d;
      all.add(IntStream.range(0, pieces.length).filter(t -> depth[t] == level).toArray());
    }
    levels = all.toArray(int[][]::new);
  }

  private static boolean begins(byte[] beginning, byte[] piece) {
    return beginning.length <= piece.length
        && Arrays.equals(beginning, 0, beginning.length, piece, 0, beginning.length);
  }

  int size() {
    return above.length;
  }

  /// The longest token that `token` begins with, -1 when there is none.
  int above(int token) {
    return above[token];
  }

  /// The number of levels; a token is one level below the one that it begins with.
  int levels() {
    return levels.length;
  }

  /// The tokens of a level; not to be changed.
  int[] level(int level) {
    return levels[level];
  }
}
