package org.infinilm.svc.history;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.infinilm.svc.history.Entry.End;
import org.jspecify.annotations.Nullable;

/// Sums of what has ended and is not in the file yet: by minute and pool, by day, key and model.
/// What does not fit makes the oldest minutes go. For one thread.
final class Tally {
  static final long MINUTE_MILLIS = 60_000;
  static final long DAY_MILLIS = 86_400_000;

  /// Minutes that are kept while the file cannot be written.
  static final int MOST_MINUTES = 1440;

  /// Groups of a day; what is beyond is counted as one.
  static final int MOST_GROUPS = 4096;

  static final String OTHERS = "(others)";
  private static final int MOST_DAYS = 31;

  /// What is summed of requests.
  static final class Sums {
    long requests;
    long errors;

    /// Of those with token counts.
    long told;

    long prompt;
    long cached;
    long completion;

    private void add(Sums s) {
      requests += s.requests;
      errors += s.errors;
      told += s.told;
      prompt += s.prompt;
      cached += s.cached;
      completion += s.completion;
    }

    private void add(Ended e) {
      requests++;
      errors += e.end() == End.ERROR ? 1 : 0;
      if (e.told()) {
        told++;
        prompt += e.promptTokens();
        cached += e.cachedTokens();
        completion += e.completionTokens();
      }
    }
  }

  /// One pool in one minute.
  static final class PoolMinute {
    final Sums sums = new Sums();

    /// Of requests that ended well; null when none told it.
    @Nullable Spread ttft;
  }

  static final class Count {
    long requests;
  }

  /// One minute.
  static final class Minute {
    final Map<String, PoolMinute> pools = new HashMap<>();
    final Map<String, Count> reasons = new HashMap<>();

    /// How long the router ran in it.
    long coveredMillis;
  }

  record Group(String key, String model) {}

  private final TreeMap<Long, Minute> minutes = new TreeMap<>();
  private final TreeMap<Long, Map<Group, Sums>> days = new TreeMap<>();

  /// The groups of a day, also of those that are in the file already.
  private final Set<Group> known = new HashSet<>();

  private long knownDay;

  /// Where the request before went: most go there too.
  private long lastMinute;

  private @Nullable Minute last;
  private String lastPool = "";
  private @Nullable PoolMinute lastOfPool;
  private String lastReason = "";
  private @Nullable Count lastOfReason;
  private long lastDay;
  private @Nullable Group lastGroup;
  private @Nullable Sums lastSums;

  void add(Ended e) {
    long n = Math.floorDiv(e.epochMillis(), MINUTE_MILLIS);
    Minute m = last;
    if (m == null || lastMinute != n) {
      m = minute(n);
      lastMinute = n;
      last = m;
      lastOfPool = null;
      lastOfReason = null;
    }
    PoolMinute p = ofPool(m, e.pool());
    p.sums.add(e);
    if (e.end() == End.WELL && e.ttftNanos() > 0) {
      Spread s = p.ttft;
      if (s == null) {
        s = new Spread();
        p.ttft = s;
      }
      s.add(e.ttftNanos());
    }
    if (!e.reason().isEmpty()) {
      ofReason(m, e.reason()).requests++;
    }
    ofDay(e).add(e);
  }

  private PoolMinute ofPool(Minute m, String pool) {
    PoolMinute p = lastOfPool;
    if (p == null || !lastPool.equals(pool)) {
      p = m.pools.computeIfAbsent(pool, k -> new PoolMinute());
      lastPool = pool;
      lastOfPool = p;
    }
    return p;
  }

  private Count ofReason(Minute m, String reason) {
    Count c = lastOfReason;
    if (c == null || !lastReason.equals(reason)) {
      c = m.reasons.computeIfAbsent(reason, k -> new Count());
      lastReason = reason;
      lastOfReason = c;
    }
    return c;
  }

  private Sums ofDay(Ended e) {
    long n = Math.floorDiv(e.epochMillis(), DAY_MILLIS);
    Group g = lastGroup;
    Sums s = lastSums;
    if (s == null
        || g == null
        || lastDay != n
        || !g.key().equals(e.key())
        || !g.model().equals(e.model())) {
      Group asked = new Group(e.key(), e.model());
      s = day(n).computeIfAbsent(group(n, asked), k -> new Sums());
      lastDay = n;
      lastGroup = asked;
      lastSums = s;
    }
    return s;
  }

  /// Adds what another has, which is not used any more.
  void add(Tally other) {
    other.minutes.forEach((n, m) -> {
      Minute mine = minute(n);
      mine.coveredMillis += m.coveredMillis;
      m.reasons.forEach(
          (r, c) -> mine.reasons.computeIfAbsent(r, k -> new Count()).requests += c.requests);
      m.pools.forEach((name, p) -> {
        PoolMinute to = mine.pools.computeIfAbsent(name, k -> new PoolMinute());
        to.sums.add(p.sums);
        Spread more = p.ttft;
        Spread before = to.ttft;
        if (before == null) {
          to.ttft = more;
        } else if (more != null) {
          before.add(more);
        }
      });
    });
    other.days.forEach((n, groups) -> {
      Map<Group, Sums> day = day(n);
      groups.forEach((g, s) -> day.computeIfAbsent(group(n, g), k -> new Sums()).add(s));
    });
  }

  private Group group(long day, Group g) {
    if (day != knownDay) {
      knownDay = day;
      known.clear();
    }
    if (!known.contains(g)) {
      if (known.size() >= MOST_GROUPS) {
        return new Group("", OTHERS);
      }
      known.add(g);
    }
    return g;
  }

  private Minute minute(long n) {
    Minute m = minutes.computeIfAbsent(n, k -> new Minute());
    if (minutes.size() > MOST_MINUTES) {
      minutes.pollFirstEntry();
      last = null;
    }
    return m;
  }

  private Map<Group, Sums> day(long n) {
    Map<Group, Sums> d = days.computeIfAbsent(n, k -> new HashMap<>());
    if (days.size() > MOST_DAYS) {
      days.pollFirstEntry();
      lastSums = null;
    }
    return d;
  }

  /// The router ran from one moment to another; a clock that was set says nothing.
  void alive(long fromMillis, long toMillis) {
    if (toMillis <= fromMillis || toMillis - fromMillis > MOST_MINUTES * MINUTE_MILLIS) {
      return;
    }
    for (long at = fromMillis; at < toMillis; ) {
      long n = Math.floorDiv(at, MINUTE_MILLIS);
      long end = Math.min(toMillis, (n + 1) * MINUTE_MILLIS);
      minute(n).coveredMillis += end - at;
      at = end;
    }
  }

  Map<Long, Minute> minutes() {
    return minutes;
  }

  Map<Long, Map<Group, Sums>> days() {
    return days;
  }

  boolean isEmpty() {
    return minutes.isEmpty() && days.isEmpty();
  }

  void clear() {
    last = null;
    lastSums = null;
    minutes.clear();
    days.clear();
  }
}
