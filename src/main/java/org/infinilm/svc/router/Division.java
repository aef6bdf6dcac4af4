package org.infinilm.svc.router;

import java.util.Arrays;

/// How a whole number is divided among several who want different parts of it: max-min fair, in
/// whole numbers, nothing left over (Bertsekas and Gallager, Data Networks, section 6.5.2). Pure,
/// so that all who know the same come to the same.
final class Division {
  private Division() {}

  /// What each gets; the sum is `whole`.
  ///
  /// First what they want; of what is left, those that want something get up to as much again, for
  /// what comes next; the rest is divided evenly.
  ///
  /// @param wants 0 or more each
  /// @param first who gets the odd one first, then the next in turn
  static long[] parts(long whole, long[] wants, int first) {
    long[] out = new long[wants.length];
    long left = fill(whole, wants, first, out);
    left = fill(left, wants, first, out);
    if (left > 0) {
      long[] any = new long[wants.length];
      Arrays.fill(any, Long.MAX_VALUE);
      fill(left, any, first, out);
    }
    return out;
  }

  /// The same, but nobody gets more than it wants; what is left is nobody's.
  static long[] upTo(long whole, long[] wants, int first) {
    long[] out = new long[wants.length];
    fill(whole, wants, first, out);
    return out;
  }

  /// Pours `left` evenly until each has what it needs.
  ///
  /// @return what is left then
  private static long fill(long left, long[] needs, int first, long[] out) {
    long[] need = needs.clone();
    while (left > 0) {
      int open = 0;
      for (long n : need) {
        open += n > 0 ? 1 : 0;
      }
      if (open == 0) {
        break;
      }
      long each = Math.max(1, left / open);
      for (int k = 0; k < need.length && left > 0; k++) {
        int at = (first + k) % need.length;
        long given = Math.min(Math.min(each, need[at]), left);
        need[at] -= given;
        out[at] += given;
        left -= given;
      }
    }
    return left;
  }
}
