package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Clients' keys and their use in JSON, for the event stream: names and numbers, nothing that a key
/// follows from. Stateless.
final class KeyWords {
  /// Keys that are told, those of most requests.
  static final int MOST = 200;

  private KeyWords() {}

  static List<Object> of(KeyRing keys) {
    List<Used> all = new ArrayList<>();
    for (KeyHolder h : keys.holders()) {
      all.add(new Used(h, requests(h)));
    }
    // in the order of their names before
    all.sort(Comparator.comparingLong(Used::requests).reversed());
    return all.stream().limit(MOST).<Object>map(KeyWords::of).toList();
  }

  private record Used(KeyHolder holder, long requests) {}

  private static long requests(KeyHolder h) {
    long n = 0;
    for (Outcome o : Outcome.values()) {
      n += h.requests(o);
    }
    return n;
  }

  private static Map<String, Object> of(Used u) {
    KeyHolder h = u.holder();
    ClientKey k = h.key();
    Allowance.Limits l = k.limits();
    long errors = 0;
    for (Outcome o : Outcome.values()) {
      errors += Figures.isError(o) ? h.requests(o) : 0;
    }
    long refusals = 0;
    for (KeyRing.Cause c : KeyRing.Cause.values()) {
      refusals += h.refusals(c);
    }
    Map<String, Object> m = new HashMap<>();
    m.put("errors_total", errors);
    m.put("expires_ms", k.expires() == null ? null : k.expires().toEpochMilli());
    m.put("in_flight", h.inFlight());
    m.put("in_flight_limit", limit(l.inFlight()));
    m.put("models", k.models().stream().sorted().toList());
    m.put("name", h.name());
    m.put("refusals_total", refusals);
    m.put("requests_per_minute_limit", limit(l.requests()));
    m.put("requests_total", u.requests());
    m.put("tokens_per_minute_limit", limit(l.tokens()));
    Map<String, Object> tokens = new HashMap<>();
    for (Series.Tokens t : Series.Tokens.values()) {
      tokens.put(t.label(), h.tokens(t));
    }
    m.put("tokens_total", tokens);
    return m;
  }

  private static @Nullable Long limit(long n) {
    return n == 0 ? null : (Long) n;
  }
}
