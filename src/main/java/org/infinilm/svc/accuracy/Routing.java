package org.infinilm.svc.accuracy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.infinilm.svc.statistics.Summary;
import org.jspecify.annotations.Nullable;

/// Where a router sent the requests of a run, and whether that is where its size rule sends them.
/// Pure.
///
/// Accuracy is the share of all requests sent that the pool which the rule names has answered: size
/// at most the threshold is paged, above it static; a request that failed was not answered by it.
/// The size is one that the router cannot choose: bytes of the body or of the text that was sent,
/// or the prompt tokens that the answer counts; its own is believed only where it speaks against
/// it. The pool is the cache type of the instance that answered, by its own word where it has one,
/// else as the fleet lists it. Who answered is what the answer itself says: its
/// `system_fingerprint`, when exactly one instance shows that in its own metrics; else what the
/// router says, held against the instances' own counters of requests and of prompt tokens. A
/// request whose size, threshold or instance nobody but the router vouches for is not counted as
/// correct, only as claimed.
///
/// @param threshold null when the router said none, or several
/// @param metric `body`, `text`, `tokens`, or another word of the router's; where it says none, the
///   one of the first two that all its sizes are, else null
/// @param sent requests of the run that ended by themselves
/// @param checked those that are known to be correct, or not to be
/// @param claimed those that are correct by the router's own word alone; not in `checked`
/// @param proven answers whose instance is known from the answer
/// @param misattributed proven answers of another instance than the router named
/// @param accuracy NaN when nothing could be checked, or nothing but claims speaks for the router
/// @param sizeMismatches sizes that are others than what was sent; of tokens, which routers
///   estimate, those on the other side of the threshold
/// @param countersAgree null when a counter could not be read
/// @param exceptionsTotal how many there were; only the first are kept
public record Routing(
    @Nullable Long threshold,
    @Nullable String metric,
    int sent,
    int answered,
    int checked,
    int correct,
    int claimed,
    int proven,
    int misattributed,
    double accuracy,
    int sizeMismatches,
    Map<String, PoolShare> pools,
    Map<String, InstanceShare> instances,
    Map<String, Integer> reasons,
    List<Astray> exceptions,
    int exceptionsTotal,
    @Nullable Boolean countersAgree,
    List<String> disagreements) {

  private static final int MOST_EXCEPTIONS = 1000;
  private static final int MOST_NAMED = 3;
  private static final String BODY = "body";
  private static final String TEXT = "text";
  private static final String TOKENS = "tokens";

  /// One request as it was answered.
  ///
  /// @param sentBytes body that was sent; -1 when not known
  /// @param sentTextBytes text in it, UTF-8; -1 when not known
  /// @param size by the router, in the unit of its metric; -1 when not said, like threshold
  /// @param pool by the router; null when not said
  /// @param instance by the router
  /// @param fingerprint by the answer; null when not said
  /// @param promptTokens by the answer; -1 when not said
  public record Answer(
      int index,
      @Nullable String requestId,
      long sentBytes,
      long sentTextBytes,
      long size,
      long threshold,
      @Nullable String pool,
      @Nullable String instance,
      @Nullable String reason,
      boolean ok,
      @Nullable String fingerprint,
      int promptTokens) {}

  /// What an instance says of itself.
  ///
  /// @param requests finished ones; null when not readable, like all the others
  /// @param cacheType `paged` or `static`
  public record Own(
      @Nullable Double requests,
      @Nullable Double promptTokens,
      @Nullable String fingerprint,
      @Nullable String cacheType) {
    static final Own NOTHING = new Own(null, null, null, null);
  }

  /// One instance as the fleet lists it.
  ///
  /// @param listed its cache type as the fleet lists it: `paged`, `static` or empty
  /// @param before what it said at the start, `after` at the end
  public record Member(String name, String listed, Own before, Own after) {
    /// By its own word, else as it is listed.
    String cacheType() {
      String own = ownCacheType();
      return own == null ? listed : own;
    }

    private @Nullable String ownCacheType() {
      return after.cacheType() == null ? before.cacheType() : after.cacheType();
    }

    /// Whether its own word is another than the list's.
    boolean listedWrongly() {
      String own = ownCacheType();
      return own != null && !listed.isEmpty() && !own.equals(listed);
    }

    /// By how much its counter moved; null when not known.
    @Nullable Long counted() {
      return moved(before.requests(), after.requests());
    }

    @Nullable Long countedTokens() {
      return moved(before.promptTokens(), after.promptTokens());
    }

    /// Whether it counts for itself, so that more than it answered cannot be said of it.
    boolean counts() {
      return counted() != null || countedTokens() != null;
    }

    /// A counter that went down began again at 0.
    private static @Nullable Long moved(@Nullable Double from, @Nullable Double to) {
      if (from == null || to == null) {
        return null;
      }
      double by = to - from;
      return Math.round(by < 0 ? to : by);
    }

    /// Whether an answer with this mark may be its own: it shows none itself, or this one.
    boolean mayHaveWritten(@Nullable String mark) {
      return (before.fingerprint() == null && after.fingerprint() == null)
          || (mark != null && shows(mark));
    }

    boolean shows(String fingerprint) {
      return fingerprint.equals(before.fingerprint()) || fingerprint.equals(after.fingerprint());
    }
  }

  public record PoolShare(int requests, long minBytes, double medianBytes, long maxBytes) {}

  /// @param counted by the instance itself; null when not readable
  public record InstanceShare(String pool, int requests, @Nullable Long counted) {}

  /// A request that another pool has answered than the rule names, or whose size the router took
  /// wrongly.
  public record Astray(
      int index,
      @Nullable String requestId,
      long size,
      String expected,
      String pool,
      @Nullable String instance,
      @Nullable String reason) {}

  /// Of requests that were sent here.
  ///
  /// @param fleet every instance known before or after the run, by name
  /// @param metric by the router; null when it says none
  /// @param expected the threshold as it should be; null: the router's own is taken
  public static Routing of(
      List<Answer> all,
      Map<String, Member> fleet,
      @Nullable String metric,
      @Nullable Long expected) {
    return of(all, fleet, metric == null ? inferred(all) : metric, expected, true);
  }

  /// Of requests that others sent and the router's log tells of: their sizes are those in it, and
  /// the instances' own counters and marks tell who answered, as above.
  public static Routing told(
      List<Answer> all,
      Map<String, Member> fleet,
      @Nullable String metric,
      @Nullable Long expected) {
    return of(all, fleet, metric, expected, false);
  }

  /// What a router that does not say it measures: what all its sizes are.
  private static @Nullable String inferred(List<Answer> all) {
    List<Answer> sized = all.stream().filter(a -> a.size() >= 0).toList();
    return sized.isEmpty()
        ? null
        : Stream.of(BODY, TEXT)
            .filter(m -> sized.stream().allMatch(a -> seenSize(a, m) == a.size()))
            .findFirst()
            .orElse(null);
  }

  private static Routing of(
      List<Answer> all,
      Map<String, Member> fleet,
      @Nullable String metric,
      @Nullable Long expected,
      boolean sent) {
    List<Answer> routed = all.stream().filter(a -> a.instance() != null).toList();
    List<Long> thresholds = thresholds(routed);
    boolean oneRule = expected != null || thresholds.size() == 1;
    boolean typed =
        fleet.values().stream().anyMatch(m -> !m.cacheType().isEmpty())
            || routed.stream().anyMatch(a -> !"any".equals(a.pool()));
    int checked = 0;
    int correct = 0;
    int claimed = 0;
    int mismatches = 0;
    int answered = 0;
    int proven = 0;
    List<Astray> astray = new ArrayList<>();
    int astrayTotal = 0;
    List<Answer> swapped = new ArrayList<>();
    Map<String, List<Long>> sizes = new TreeMap<>();
    Map<String, Integer> reasons = new TreeMap<>();
    for (Answer a : routed) {
      String witness = witness(a, fleet);
      String instance = witness == null ? a.instance() : witness;
      String pool = poolOf(instance, a.pool(), fleet);
      sizes.computeIfAbsent(pool, p -> new ArrayList<>()).add(bytes(a));
      if (a.reason() != null) {
        reasons.merge(a.reason(), 1, Integer::sum);
      }
      answered += a.ok() ? 1 : 0;
      if (a.ok() && witness != null) {
        proven++;
        if (!witness.equals(a.instance())) {
          swapped.add(a);
        }
      }
      long threshold = expected == null ? a.threshold() : expected;
      if (!a.ok() || !typed || threshold < 0 || a.size() < 0) {
        continue;
      }
      long seen = sent ? seenSize(a, metric) : a.size();
      long size = seen >= 0 ? seen : a.size();
      String named = named(size, threshold);
      mismatches +=
          seen >= 0
                  && seen != a.size()
                  && !(TOKENS.equals(metric) && named.equals(named(a.size(), threshold)))
              ? 1
              : 0;
      if (named.equals(pool)) {
        boolean known = seen >= 0 && oneRule && (witness != null || vouched(a, fleet, sent));
        checked += known ? 1 : 0;
        correct += known ? 1 : 0;
        claimed += known ? 0 : 1;
        continue;
      }
      checked++;
      if (astrayTotal++ < MOST_EXCEPTIONS) {
        astray.add(new Astray(a.index(), a.requestId(), size, named, pool, instance, a.reason()));
      }
    }
    Map<String, InstanceShare> instances = instances(routed, fleet);
    List<String> disagreements = disagreements(routed, fleet);
    swapped.stream()
        .limit(MOST_NAMED)
        .forEach(a ->
            disagreements.add(
                "request "
                    + a.index()
                    + " was answered by "
                    + witness(a, fleet)
                    + " (expected: "
                    + a.instance()
                    + ", which the router named)"));
    if (swapped.size() > MOST_NAMED) {
      disagreements.add("... and " + (swapped.size() - MOST_NAMED) + " more such answers");
    }
    fleet.values().stream()
        .filter(Member::listedWrongly)
        .forEach(m ->
            disagreements.add(
                m.name()
                    + " is listed as "
                    + m.listed()
                    + " (expected: "
                    + m.cacheType()
                    + ", as it says itself)"));
    Long threshold = thresholds.size() == 1 ? thresholds.getFirst() : null;
    if (thresholds.size() > 1) {
      disagreements.add(
          "the router named "
              + thresholds.size()
              + " thresholds, from "
              + thresholds.getFirst()
              + " to "
              + thresholds.getLast()
              + " (expected: "
              + (expected == null ? "one, or --expect-threshold" : expected)
              + ")");
    }
    if (expected != null && threshold != null && !expected.equals(threshold)) {
      disagreements.add("the router's threshold is " + threshold + " (expected: " + expected + ")");
    }
    boolean unread = instances.values().stream().anyMatch(i -> i.counted() == null);
    return new Routing(
        expected == null ? threshold : expected,
        metric,
        all.size(),
        answered,
        checked,
        correct,
        claimed,
        proven,
        swapped.size(),
        correct == 0 && (checked == 0 || claimed > 0) ? Double.NaN : (double) correct / all.size(),
        mismatches,
        pools(sizes),
        instances,
        reasons,
        List.copyOf(astray),
        astrayTotal,
        !disagreements.isEmpty() ? Boolean.FALSE : unread || routed.isEmpty() ? null : Boolean.TRUE,
        List.copyOf(disagreements));
  }

  /// Who answered by the answer's own word; null when it says nothing that one instance alone
  /// shows.
  private static @Nullable String witness(Answer a, Map<String, Member> fleet) {
    String said = a.fingerprint();
    if (said == null) {
      return null;
    }
    List<String> those =
        fleet.values().stream().filter(m -> m.shows(said)).map(Member::name).toList();
    return those.size() == 1 ? those.getFirst() : null;
  }

  private static long bytes(Answer a) {
    return a.sentBytes() >= 0 ? a.sentBytes() : Math.max(0, a.size());
  }

  /// The cache type of the instance, else what the router says.
  private static String poolOf(
      @Nullable String instance, @Nullable String routersWord, Map<String, Member> fleet) {
    Member m = instance == null ? null : fleet.get(instance);
    if (m != null && !m.cacheType().isEmpty()) {
      return m.cacheType();
    }
    return routersWord == null ? "any" : routersWord;
  }

  private static List<Long> thresholds(List<Answer> routed) {
    return routed.stream().map(Answer::threshold).filter(t -> t >= 0).distinct().sorted().toList();
  }

  private static String named(long size, long threshold) {
    return size <= threshold ? "paged" : "static";
  }

  /// Whether what the named instance says of itself would show if it was not the one.
  ///
  /// @param read whether the answers were read, with the marks in them
  private static boolean vouched(Answer a, Map<String, Member> fleet, boolean read) {
    Member m = a.instance() == null ? null : fleet.get(a.instance());
    return m != null && m.counts() && (!read || m.mayHaveWritten(a.fingerprint()));
  }

  /// The size in the unit of a metric by others than the router; -1 when it is not known here. No
  /// prompt has no tokens.
  private static long seenSize(Answer a, @Nullable String metric) {
    return switch (metric) {
      case BODY -> a.sentBytes();
      case TEXT -> a.sentTextBytes();
      case TOKENS -> a.promptTokens() > 0 ? a.promptTokens() : -1;
      case null, default -> -1;
    };
  }

  private static Map<String, PoolShare> pools(Map<String, List<Long>> sizes) {
    Map<String, PoolShare> out = new TreeMap<>();
    sizes.forEach((pool, of) -> {
      double[] sorted = of.stream().mapToDouble(Long::doubleValue).sorted().toArray();
      out.put(
          pool,
          new PoolShare(
              sorted.length,
              (long) sorted[0],
              Summary.percentile(sorted, 50),
              (long) sorted[sorted.length - 1]));
    });
    return out;
  }

  private static Map<String, InstanceShare> instances(
      List<Answer> routed, Map<String, Member> fleet) {
    Map<String, InstanceShare> out = new TreeMap<>();
    for (Member m : fleet.values()) {
      String pool = m.cacheType().isEmpty() ? "any" : m.cacheType();
      out.put(m.name(), new InstanceShare(pool, 0, m.counted()));
    }
    for (Answer a : routed) {
      String name = String.valueOf(a.instance());
      InstanceShare i =
          out.getOrDefault(name, new InstanceShare(poolOf(name, a.pool(), fleet), 0, null));
      out.put(name, new InstanceShare(i.pool(), i.requests() + 1, i.counted()));
    }
    return out;
  }

  /// Instances that counted fewer requests, or fewer prompt tokens, than the router says they
  /// answered. More are no contradiction: there may be other traffic, and attempts that failed
  /// count too.
  private static List<String> disagreements(List<Answer> routed, Map<String, Member> fleet) {
    Map<String, Integer> claimed = new TreeMap<>();
    Map<String, Long> tokens = new TreeMap<>();
    routed.stream()
        .filter(Answer::ok)
        .forEach(a -> {
          String name = String.valueOf(a.instance());
          claimed.merge(name, 1, Integer::sum);
          tokens.merge(name, (long) Math.max(0, a.promptTokens()), Long::sum);
        });
    List<String> out = new ArrayList<>();
    claimed.forEach((name, n) -> {
      Member m = fleet.get(name);
      Long counted = m == null ? null : m.counted();
      if (counted != null && counted < n) {
        out.add(name + " counted " + counted + " requests (expected: " + n + ")");
      }
      Long countedTokens = m == null ? null : m.countedTokens();
      long expected = tokens.getOrDefault(name, 0L);
      if (countedTokens != null && countedTokens < expected) {
        out.add(name + " counted " + countedTokens + " prompt tokens (expected: " + expected + ")");
      }
    });
    return out;
  }
}
