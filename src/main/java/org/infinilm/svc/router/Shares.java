package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import org.infinilm.svc.router.Sibling.Claim;

/// This router's part of what all routers over one table have together. Immutable and pure; how it
/// is divided, and how far off it may be: docs/scaling.md.
///
/// @param self the name of this router
/// @param others that are known; those that leave hold what they have and want nothing
/// @param order names of those that share, in the order that all have them in
/// @param turn who is first where there is not enough for all
/*
 * Each computes its own part from what all said they want, by the same rule, so that the parts come to the
 * whole while all know the same. What others hold is theirs until they give it back. What this router wants
 * beyond what it has said counts up to an even part more, until it has said so: so a wave that comes to all
 * routers at once finds each at its even part. Who has not been heard of lately gets an even part, whatever
 * it said last.
 */
record Shares(
    String self,
    List<Sibling> others,
    List<String> order,
    long turn,
    long nowNanos,
    long freshNanos) {
  /// Seats of an instance of which none is ours now: [Slot#limit] has 0 for any number.
  static final int NONE_NOW = -1;

  Shares {
    others = List.copyOf(others);
    order = List.copyOf(order);
  }

  /// @param freshNanos how long what a router said counts
  Shares(String self, List<Sibling> others, long turn, long nowNanos, long freshNanos) {
    this(self, others, order(self, others), turn, nowNanos, freshNanos);
  }

  /// How many routers share.
  int routers() {
    return order.size();
  }

  boolean isFresh(Sibling o) {
    return nowNanos - o.heardNanos() <= freshNanos;
  }

  boolean allFresh() {
    return others.stream().allMatch(this::isFresh);
  }

  private static List<String> order(String self, List<Sibling> others) {
    List<String> out = new ArrayList<>();
    Stream.concat(Stream.of(self), others.stream().filter(o -> !o.leaving()).map(Sibling::run))
        .sorted()
        .forEach(out::add);
    return out;
  }

  /// An even part, at least 1.
  static long even(long whole, int routers) {
    return Math.max(1, (whole + routers - 1) / routers);
  }

  /// Seats of one instance that this router may use.
  ///
  /// @param hash of its name
  /// @param seats that it has, 1 or more
  /// @param own in flight and in line here now
  /// @param said what this router last told the others that it wants
  /// @return at least 1, or [#NONE_NOW]
  int seats(long hash, long seats, Claim own, long said) {
    if (others.isEmpty()) {
      return (int) seats;
    }
    String id = Sibling.id(hash);
    int n = order.size();
    long even = even(seats, n);
    long[] wants = new long[n];
    int me = order.indexOf(self);
    wants[me] = Math.min(own.wants(), said + even);
    long[] has = new long[n];
    has[me] = own.held();
    long whole = seats;
    long held = own.held();
    boolean stale = false;
    for (Sibling o : others) {
      Claim c = o.at(id);
      if (o.leaving()) {
        whole -= isFresh(o) ? Math.min(c.held(), seats) : 0;
      } else if (isFresh(o)) {
        int at = order.indexOf(o.run());
        has[at] = Math.min(c.held(), seats);
        wants[at] = Math.min(c.wants(), seats);
        held += has[at];
      } else {
        wants[order.indexOf(o.run())] = even;
        stale = true;
      }
    }
    whole = Math.max(1, whole);
    int first = (int) Math.floorMod(turn + hash, (long) n);
    long[] parts = Division.parts(whole, wants, first);
    if (stale) {
      return (int) Math.max(1, parts[me]);
    }
    long mine = Math.min(parts[me], said + even);
    if (has[me] < mine) {
      // of what is free now, which is less than the parts while somebody has more than its own
      long[] lacks = new long[n];
      for (int k = 0; k < n; k++) {
        lacks[k] = Math.max(0, (k == me ? mine : parts[k]) - has[k]);
      }
      mine = has[me] + Division.upTo(Math.max(0, whole - held), lacks, first)[me];
    }
    return mine <= 0 ? NONE_NOW : (int) mine;
  }

  /// This router's part of one limit of a key.
  ///
  /// @param hash of the key's name
  /// @param limit 0 for none
  /// @param said what this router last told the others that is asked for
  /// @param of what another said of the same
  long ofLimit(long hash, long limit, long said, ToLongFunction<Sibling> of) {
    if (limit == 0 || others.isEmpty()) {
      return limit;
    }
    int n = order.size();
    long[] wants = new long[n];
    int me = order.indexOf(self);
    wants[me] = Math.min(said, limit);
    for (Sibling o : others) {
      if (!o.leaving()) {
        wants[order.indexOf(o.run())] =
            Math.min(limit, isFresh(o) ? of.applyAsLong(o) : even(limit, n));
      }
    }
    // not by turns: a part of a minute's limit that moves is of no use
    return Math.max(1, Division.parts(limit, wants, (int) Math.floorMod(hash, (long) n))[me]);
  }
}
