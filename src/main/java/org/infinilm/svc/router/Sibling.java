package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Another router over the same table, by what it said last. Immutable.
///
/// @param run its name
/// @param leaving whether it takes no new requests
/// @param seats what it has at instances, by [#id]
/// @param keys what keys asked for at it, by [#id]
/// @param heardNanos when it last said what it has, on the ticker's clock
record Sibling(
    String run,
    boolean leaving,
    long turn,
    Map<String, Claim> seats,
    Map<String, Ask> keys,
    long heardNanos) {
  static final String SEATS = "seats";
  static final String KEYS = "keys";
  static final String LEARNED = "learned";

  /// Of more a note is not believed.
  private static final int MOST = 100_000;

  /// What a router has at one instance: in flight, and in line for it, among others perhaps.
  record Claim(long held, long waiting) {
    static final Claim NONE = new Claim(0, 0);

    long wants() {
      return held + waiting;
    }
  }

  /// What clients asked for with one key: at once, and requests and tokens in a minute, granted or
  /// not.
  record Ask(long inFlight, long requests, long tokens) {
    static final Ask NONE = new Ask(0, 0, 0);
  }

  static Sibling unknown(String run, long nowNanos) {
    return new Sibling(run, false, 0, Map.of(), Map.of(), nowNanos);
  }

  /// What stands for a name in notes: short, and the same everywhere.
  static String id(long hash) {
    return Long.toString(hash & 0xffff_ffffL, 36);
  }

  Claim at(String id) {
    return seats.getOrDefault(id, Claim.NONE);
  }

  Ask of(String id) {
    return keys.getOrDefault(id, Ask.NONE);
  }

  /// Its note about seats.
  static Map<String, Object> note(long turn, boolean leaving, Map<String, Claim> seats, long n) {
    Map<String, Object> by = new HashMap<>();
    seats.forEach((id, c) -> by.put(id, new long[] {c.held(), c.waiting()}));
    return Map.of("turn", turn, "leaving", leaving, "at", by, "n", n);
  }

  static Map<String, Object> keysNote(Map<String, Ask> keys) {
    Map<String, Object> by = new HashMap<>();
    keys.forEach((id, a) -> by.put(id, new long[] {a.inFlight(), a.requests(), a.tokens()}));
    return Map.of("of", by);
  }

  /// The same after a note. What is no number of use counts as none: a sibling's mistakes are not
  /// ours.
  Sibling told(String kind, Map<String, Object> value, long nowNanos) {
    return switch (kind) {
      case SEATS -> {
        Map<String, Claim> s = new HashMap<>();
        lists(value.get("at")).forEach((id, l) -> s.put(id, new Claim(whole(l, 0), whole(l, 1))));
        yield new Sibling(
            run,
            Boolean.TRUE.equals(value.get("leaving")),
            value.get("turn") instanceof Number n ? Math.clamp(n.longValue(), 0, 1L << 60) : 0,
            s,
            keys,
            nowNanos);
      }
      case KEYS -> {
        Map<String, Ask> k = new HashMap<>();
        lists(value.get("of"))
            .forEach((id, l) -> k.put(id, new Ask(whole(l, 0), whole(l, 1), whole(l, 2))));
        yield new Sibling(run, leaving, turn, seats, k, heardNanos);
      }
      default -> this;
    };
  }

  private static Map<String, List<?>> lists(@Nullable Object from) {
    Map<String, List<?>> out = new HashMap<>();
    if (from instanceof Map<?, ?> m && m.size() <= MOST) {
      m.forEach((k, v) -> {
        if (v instanceof List<?> l) {
          out.put(String.valueOf(k), l);
        }
      });
    }
    return out;
  }

  private static long whole(List<?> l, int at) {
    return at < l.size() && l.get(at) instanceof Number n
        ? Math.clamp(n.longValue(), 0, 1L << 40)
        : 0;
  }
}
