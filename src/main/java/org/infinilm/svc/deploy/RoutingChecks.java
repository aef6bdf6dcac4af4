package org.infinilm.svc.deploy;

import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.telemetry.Ticker;

/// Sends requests around the threshold and finds out, by the router's headers and by the instances'
/// own counters, who answered.
final class RoutingChecks {
  private static final int SIMILAR = 20;
  private static final long SETTLE_MILLIS = 2_000;

  private final Probe probe;
  private final Headers key;
  private final URI chat;
  private final Fleet fleet;
  private final String model;
  private final Ticker ticker;
  private final Map<String, Integer> answered = new TreeMap<>();

  /// Pools that were too small for a request of theirs.
  private final Set<String> tooSmall = new TreeSet<>();

  /// @param key of a client, as the router wants it
  RoutingChecks(Probe probe, URI router, Headers key, Fleet fleet, String model, Ticker ticker) {
    this.probe = probe;
    this.key = key;
    this.chat = router.resolve("/v1/chat/completions");
    this.fleet = fleet;
    this.model = model;
    this.ticker = ticker;
  }

  /// The rule in force, by the headers of a short request; empty when the router does not say.
  Optional<SizeRule> rule(ChatBody sent, Probe.Seen seen) {
    try {
      long threshold = Long.parseLong(seen.header("x-infini-threshold"));
      long size = Long.parseLong(seen.header("x-infini-size"));
      return Optional.of(new SizeRule(SizeRule.Metric.of(sent, size), threshold));
    } catch (NumberFormatException notSaid) {
      return Optional.empty();
    }
  }

  /// One check a case of the rule.
  void sizes(SizeRule rule, Report report) throws InterruptedException {
    List<SizeRule.Case> cases = rule.cases(model);
    for (SizeRule.Case c : cases) {
      long start = ticker.nanos();
      report.add(size(rule, c).took((ticker.nanos() - start) / 1e9));
    }
  }

  private Check size(SizeRule rule, SizeRule.Case c) throws InterruptedException {
    String name = "size routing of " + c.title();
    Map<String, OptionalDouble> before = counters();
    Probe.Seen seen = probe.post(chat, key, c.body().json());
    Answered who = Answered.of(seen, fleet);
    long size = c.size() >= 0 ? c.size() : who.size();
    String pool = rule.pool(size);
    String sign = size > rule.threshold() ? " > " : " <= ";
    String expected =
        "HTTP 200 from a " + pool + " instance (" + size + sign + rule.threshold() + ")";
    if (!seen.ok()) {
      return Check.of(name, false, expected, seen.describe());
    }
    count(who);
    Map<String, Integer> claimed = Map.of(who.instance(), 1);
    Counted counted = settle(before, claimed);
    List<String> off = counted.disagree(claimed);
    boolean moved = who.reason().equals("fit") && !who.cacheType().equals(pool);
    if (moved) {
      tooSmall.add(pool);
    }
    boolean rightPool = who.cacheType().equals(pool) && who.pool().equals(pool);
    boolean rightSize = c.size() < 0 || who.size() == c.size();
    return Check.of(
        name,
        (rightPool || moved) && rightSize && off.isEmpty(),
        expected,
        who.describe()
            + (moved ? "; the " + pool + " pool cannot hold it" : "")
            + "; "
            + (off.isEmpty() ? counted.agreement(claimed) : String.join(", ", off)));
  }

  /// Many requests of nearly the same size: one pool, and its instances' counters say so.
  Check consistency(SizeRule rule) throws InterruptedException {
    String name = "consistency over " + SIMILAR + " similar requests";
    Map<String, OptionalDouble> before = counters();
    Map<String, Integer> pools = new TreeMap<>();
    Map<String, Integer> instances = new TreeMap<>();
    for (int i = 0; i < SIMILAR; i++) {
      Optional<ChatBody> body = rule.small(model, 180 + i);
      if (body.isEmpty()) {
        return Check.of(
            name, true, "one pool", "no chat request is as small as " + rule.threshold());
      }
      Probe.Seen seen = probe.post(chat, key, body.get().json());
      if (!seen.ok()) {
        return Check.of(
            name, false, "HTTP 200 for each", "request " + (i + 1) + ": " + seen.describe());
      }
      Answered who = Answered.of(seen, fleet);
      count(who);
      pools.merge(who.pool(), 1, Integer::sum);
      instances.merge(who.instance(), 1, Integer::sum);
    }
    Counted counted = settle(before, instances);
    List<String> off = counted.disagree(instances);
    return Check.of(
        name,
        pools.keySet().equals(Set.of("paged")) && off.isEmpty(),
        "each in the paged pool, and so by the instances' counters",
        instances
            + " in pool "
            + String.join(", ", pools.keySet())
            + "; "
            + (off.isEmpty() ? counted.agreement(instances) : String.join(", ", off)));
  }

  /// Both pools answered something during this validation.
  Check traffic() {
    Map<String, Integer> byPool = new TreeMap<>();
    answered.forEach((name, n) ->
        byPool.merge(
            fleet.find(name).map(Fleet.Member::cacheType).orElse("unknown"), n, Integer::sum));
    return Check.of(
        "traffic on both pools",
        byPool.containsKey("paged") && byPool.containsKey("static"),
        "answers from a paged and from a static instance",
        (answered.isEmpty() ? "no answers" : answered.toString())
            + (tooSmall.isEmpty()
                ? ""
                : "; the "
                    + String.join(", ", tooSmall)
                    + " pool cannot hold what is its own by the threshold"));
  }

  void count(Answered who) {
    answered.merge(who.instance().isEmpty() ? "(unnamed)" : who.instance(), 1, Integer::sum);
  }

  /// Reads the counters until they no longer contradict the claim, or the time for that is over.
  private Counted settle(Map<String, OptionalDouble> before, Map<String, Integer> claimed)
      throws InterruptedException {
    long give = ticker.nanos() + SETTLE_MILLIS * 1_000_000;
    while (true) {
      Counted counted = new Counted(before, counters());
      if (counted.disagree(claimed).isEmpty() || ticker.nanos() - give > 0) {
        return counted;
      }
      Thread.sleep(25);
    }
  }

  private Map<String, OptionalDouble> counters() throws InterruptedException {
    Map<String, OptionalDouble> out = new TreeMap<>();
    for (Fleet.Member m : fleet.instances()) {
      out.put(m.name(), Fleet.requests(probe, m));
    }
    return out;
  }
}
