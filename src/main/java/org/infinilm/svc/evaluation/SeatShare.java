package org.infinilm.svc.evaluation;

/// A router's part of an instance's seats. Pure.
/*
 * floor((n + r) / m), r = 0 .. m - 1, comes to n together (Hermite's identity); r goes round by the
 * instance, so that no router has the larger part of all of them. What is free at a publication is shared
 * in the same way on top of what each one has, so all together take at most what is free; a router that
 * has less than its even part may have that, and one at least. So an instance of n seats gets fewer than
 * 2 n + m requests before the next publication: one router holds all, and the others take their even
 * parts, or one each.
 */
final class SeatShare {
  private SeatShare() {}

  /// An even part, which is 0 for some where there are fewer seats than routers.
  static int even(int seats, int routers, int router, int slot) {
    return (seats + Math.floorMod(router + slot, routers)) / routers;
  }

  /// Requests that a router may have there.
  ///
  /// @param own that it has, when the figures were published
  /// @param others that the others had
  static int of(int seats, int routers, int router, int slot, int own, int others) {
    int least = Math.max(1, even(seats, routers, router, slot));
    int free = seats - own - others;
    return free <= 0
        ? least
        : Math.min(seats, Math.max(least, own + even(free, routers, router, slot)));
  }
}
