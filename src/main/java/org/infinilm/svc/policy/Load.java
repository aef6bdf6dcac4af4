package org.infinilm.svc.policy;

import java.util.List;

/// What the router itself knows of an instance's load at this moment. Read from event loops while
/// others write; never blocks.
@FunctionalInterface
public interface Load {
  /// Requests sent to the instance of this slot and not yet settled.
  int inFlight(int slot);

  /// Whether it takes one more request now, and nobody waits for that place.
  default boolean free(int slot) {
    return true;
  }

  /// Whether it is left alone for a while: it asked for that (429 or 503 with Retry-After), or what
  /// it fails of such requests is lost. A wait for another is better, and it better than nobody.
  default boolean passedOver(int slot) {
    return false;
  }

  /// Whether it fails requests like this one time after time, which costs them nothing but the try:
  /// others are better, and it better than a wait.
  default boolean askedLast(int slot) {
    return false;
  }

  /// Whether others are asked first, for whichever reason.
  default boolean othersFirst(int slot) {
    return passedOver(slot) || askedLast(slot);
  }

  /// The part of its weight that counts, above 0 and up to 1: less while it comes back into service
  /// and after failures.
  default double share(int slot) {
    return 1;
  }

  /// How likely it is that it wants a request that it would take: [#share], or less where other
  /// routers ask it as well.
  default double odds(int slot) {
    return share(slot);
  }

  /// [#odds] of an instance without a limit of requests that wants this share of each of so many
  /// routers: 1 to 9 of one router is 1 to 9n of each of n.
  static double odds(double share, int routers) {
    return routers == 1 || share >= 1 ? share : share / (routers - (routers - 1) * share);
  }

  /// The requests that [#inFlight] counts, in the order in which they were sent; empty where nobody
  /// keeps them.
  default List<? extends Flight> flights(int slot) {
    return List.of();
  }

  /// What others have there, beside [#flights]; [Others#NONE] where its gauges do not tell or are
  /// stale.
  default Others others(int slot) {
    return Others.NONE;
  }

  /// How many routers, this one among them, send requests to these instances, as far as is known.
  default int routers() {
    return 1;
  }

  /// What other routers have there as they told a second or so ago, where its gauges do not tell.
  default Others siblings(int slot) {
    return Others.NONE;
  }

  /// How many wait for a place there, among others perhaps.
  default int waiting(int slot) {
    return 0;
  }

  /// Now, on the clock of the flights' times.
  default long nowNanos() {
    return 0;
  }
}
