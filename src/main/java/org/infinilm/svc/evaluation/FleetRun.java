package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.simulator.LeapCore;
import org.infinilm.svc.simulator.LeapJob;
import org.jspecify.annotations.Nullable;

/*
 * One queue of events on the virtual clock: arrivals, changes of a node's speed, and what comes out of
 * the engines. A policy gets an Ask, the candidates and the ledger, as in the router, and facts when an
 * answer ends; the true lengths go to the engines alone. The oracle is the one exception, and asks for
 * them by name.
 */

/// A fleet, a policy and a workload, once through. One thread; the same arguments give the same
/// outcome.
final class FleetRun {
  private static final int TRIES = 4;
  private static final int ROUTER = 77;
  private static final String MODEL = "m";

  private final FleetPlan plan;
  private final List<Request> requests;
  private final double spanNanos;
  private final List<OneRouter> routers;
  private final Publications publications;
  private final @Nullable Spread spread;
  private final Draws draws;
  private final Outcome out;
  private final LeapCore[] cores;
  private final Earliest next;
  private final LeapCore.Sink[] sinks;
  private final List<Instance> all;
  private final boolean[] down;
  private @Nullable Candidates candidates;
  private final int[] followers;
  private final int[] cached;
  private double now;

  private record Arrival(double atNanos, int id) {}

  /// @param factor of a node's steps; [#DOWN] and [#BACK] for a crash and its end
  private record Change(double atNanos, int node, double factor) {}

  private static final double DOWN = Double.POSITIVE_INFINITY;
  private static final double BACK = 0;

  private final PriorityQueue<Arrival> later = inTime();

  /// When those that wait are asked for again.
  private final PriorityQueue<Arrival> looks = inTime();

  private static PriorityQueue<Arrival> inTime() {
    return new PriorityQueue<>(
        Comparator.comparingDouble(Arrival::atNanos).thenComparingInt(Arrival::id));
  }

  FleetRun(FleetPlan plan, Workload workload, Arm arm, long seed) {
    this(plan, workload, arm, seed, 1, Sharing.NONE, null);
  }

  /// @param number of routers, each of which gets its part of the requests by lot
  /// @param spread what measures how even the load is, or null
  FleetRun(
      FleetPlan plan,
      Workload workload,
      Arm arm,
      long seed,
      int number,
      Sharing sharing,
      @Nullable Spread spread) {
    this.plan = arm.before(plan);
    this.requests = workload.requests();
    this.spanNanos = workload.spanNanos();
    this.draws = new Draws(seed);
    this.routers = new ArrayList<>();
    for (int k = 0; k < number; k++) {
      long own = k == 0 ? seed : draws.bits(k, ROUTER);
      routers.add(
          new OneRouter(
              arm.policy().apply(this.plan),
              new Ledger(this.plan.nodes(), arm.seated(), () -> now),
              new Estimates(this.plan),
              new SplittableRandom(own)));
    }
    this.out = new Outcome(requests.size());
    this.cores =
        this.plan.nodes().stream().map(n -> LeapCore.of(n.engine())).toArray(LeapCore[]::new);
    this.sinks = new LeapCore.Sink[cores.length];
    Arrays.setAll(sinks, this::sink);
    this.next = new Earliest(cores.length);
    this.all = instances(this.plan.nodes());
    this.down = new boolean[all.size()];
    this.candidates = Candidates.of(MODEL, all);
    this.cached = new int[requests.size()];
    this.followers = new int[requests.size()];
    Arrays.fill(followers, -1);
    this.publications = new Publications(routers, cores, this.plan.nodes(), sharing);
    this.spread = spread;
    if (spread != null) {
      routers.forEach(r -> r.ledger().among(number, sharing));
    }
    if (routers.getFirst().policy() instanceof Oracle o) {
      if (number > 1) {
        throw new IllegalArgumentException("the oracle is one, not " + number);
      }
      o.sees(this.plan, cores, out, () -> now);
    }
  }

  /// Which router a request comes to.
  private OneRouter router(int id) {
    int n = routers.size();
    return routers.get(n == 1 ? 0 : Math.floorMod(draws.bits(id, ROUTER), n));
  }

  private static List<Instance> instances(List<Node> nodes) {
    List<Instance> out = new ArrayList<>();
    for (Node n : nodes) {
      out.add(
          new Instance(
              n.name(),
              "h",
              1,
              "http://" + n.name() + ":1",
              List.of(MODEL),
              n.engine().kind().cacheType(),
              n.engine().capacityTokens(),
              1,
              Instance.State.ROUTABLE,
              out.size(),
              Map.of(),
              Instance.FIRST_TIER,
              n.seats(),
              Map.of()));
    }
    return out;
  }

  Outcome run() {
    List<Arrival> arrivals = new ArrayList<>();
    for (Request r : requests) {
      if (r.after() < 0) {
        arrivals.add(new Arrival(r.atNanos(), r.id()));
      } else {
        followers[r.after()] = r.id();
      }
    }
    List<Change> changes = changes();
    int arrival = 0;
    int change = 0;
    while (true) {
      double a = arrival < arrivals.size() ? arrivals.get(arrival).atNanos() : Double.MAX_VALUE;
      Arrival l = later.peek();
      double c = change < changes.size() ? changes.get(change).atNanos() : Double.MAX_VALUE;
      int core = next.first();
      double e = next.time(core);
      double t = Math.min(Math.min(a, l == null ? Double.MAX_VALUE : l.atNanos()), Math.min(c, e));
      Arrival w = looks.peek();
      if (w != null && w.atNanos() < Math.min(t, publications.nextNanos())) {
        looks.poll();
        now = w.atNanos();
        look(requests.get(w.id()));
        continue;
      }
      if (t == Double.MAX_VALUE || (t == c && arrival == arrivals.size() && noneLeft(l, e))) {
        return out;
      }
      if (watched(t)) {
        continue;
      }
      now = t;
      if (t == e) {
        cores[core].advance(now, sinks[core]);
        next.set(core, cores[core].nextNanos());
      } else if (t == c) {
        change(changes.get(change++));
      } else if (t == a) {
        arrives(arrivals.get(arrival++).id());
      } else {
        later.poll();
        arrives(l == null ? -1 : l.id());
      }
    }
  }

  /// Whether routers publish, or somebody looks, before then; that has been done.
  private boolean watched(double t) {
    double p = publications.nextNanos();
    Spread s = spread;
    if (s != null && s.nextNanos() <= Math.min(p, t)) {
      now = s.nextNanos();
      s.look(cores, down, now);
      return true;
    }
    if (p > t) {
      return false;
    }
    now = p;
    publications.publish();
    for (OneRouter r : routers) {
      for (int k = 0; k < cores.length && r.ledger().waiting() > 0; k++) {
        for (Ledger.Waiter w = r.ledger().next(k); w != null; w = r.ledger().next(k)) {
          seat(r, k, w);
        }
      }
    }
    return true;
  }

  private boolean noneLeft(@Nullable Arrival l, double e) {
    return l == null
        && e == Double.POSITIVE_INFINITY
        && routers.stream().allMatch(r -> r.ledger().waiting() == 0);
  }

  private void change(Change x) {
    int k = x.node();
    if (x.factor() == DOWN) {
      crash(k);
    } else if (x.factor() == BACK) {
      down[k] = false;
      List<Integer> waited = new ArrayList<>();
      for (OneRouter r : routers) {
        r.ledger().back(k);
        waited.addAll(r.ledger().leave());
      }
      if (spread != null) {
        spread.back(k, now);
      }
      anew(waited);
    } else {
      cores[k].slow(x.factor(), now);
      next.set(k, cores[k].nextNanos());
    }
  }

  /// What it had is lost; requests of whose answer nothing has come are sent elsewhere, as the
  /// router does, and who waits looks again.
  private void crash(int k) {
    cores[k] = LeapCore.of(plan.nodes().get(k).engine());
    next.set(k, Double.POSITIVE_INFINITY);
    down[k] = true;
    List<Integer> again = new ArrayList<>();
    for (OneRouter router : routers) {
      for (Sent s : router.ledger().crashed(k)) {
        Request r = requests.get(s.id);
        router.policy().settled(facts(r, s, 0, 0, false));
        if (s.firstNanos() == 0) {
          again.add(r.id());
        } else {
          out.broken++;
          follow(r);
        }
      }
      again.addAll(router.ledger().leave());
    }
    anew(again);
  }

  /// Has these choose again among who is there now.
  private void anew(List<Integer> ids) {
    List<Instance> up = new ArrayList<>();
    for (Instance i : all) {
      if (!down[i.slot()]) {
        up.add(i);
      }
    }
    candidates = up.isEmpty() ? null : Candidates.of(MODEL, up);
    ids.forEach(id -> place(requests.get(id)));
  }

  private List<Change> changes() {
    List<Change> out = new ArrayList<>();
    for (int k = 0; k < plan.nodes().size(); k++) {
      Node n = plan.nodes().get(k);
      if (n.slowFactor() != 1) {
        out.add(new Change(n.slowFrom() * spanNanos, k, n.slowFactor()));
        out.add(new Change(n.slowTo() * spanNanos, k, 1));
      }
      if (n.crashes()) {
        out.add(new Change(n.downFrom() * spanNanos, k, DOWN));
        out.add(new Change(n.downTo() * spanNanos, k, BACK));
      }
    }
    out.sort(Comparator.comparingDouble(Change::atNanos));
    return out;
  }

  private void arrives(int id) {
    Request r = requests.get(id);
    out.arrival[id] = now;
    place(r);
  }

  private void place(Request r) {
    Candidates among = candidates;
    if (among == null) {
      out.refused++;
      follow(r);
      return;
    }
    OneRouter at = router(r.id());
    Policy policy = at.policy();
    Ledger ledger = at.ledger();
    Ask ask = at.estimates().ask(r);
    if (policy instanceof Told t) {
      t.asks(r);
    }
    Choice c = policy.choose(ask, among, ledger, at.random());
    for (int k = 1; c instanceof Choice.Send s && !ledger.hasSeat(s.instance().slot()); k++) {
      c = k < TRIES ? policy.choose(ask, among, ledger, at.random()) : new Choice.Wait(List.of(s));
    }
    switch (c) {
      case Choice.Send s -> send(at, r, ask, s);
      case Choice.Wait w -> {
        ledger.await(r.id(), w, r.bodyBytes());
        lookLater(r, w);
      }
      case Choice.Refuse x -> {
        out.refused++;
        follow(r);
      }
    }
  }

  private void lookLater(Request r, Choice.Wait w) {
    if (w.lookNanos() > 0) {
      looks.add(new Arrival(now + w.lookNanos(), r.id()));
    }
  }

  /// Asks for one anew that waits: it leaves its place in the line only for another.
  private void look(Request r) {
    OneRouter at = router(r.id());
    Ledger ledger = at.ledger();
    Candidates among = candidates;
    if (among == null || !ledger.waits(r.id())) {
      return;
    }
    Ask ask = waited(at, r);
    Choice c = at.policy().choose(ask, among, ledger, at.random());
    if (c instanceof Choice.Send s && ledger.hasSeat(s.instance().slot())) {
      Forecast compared = ledger.leave(r.id()).ways().getFirst().forecast();
      Forecast f = s.forecast().leaving(compared, ask.waitedNanos());
      send(at, r, ask, new Choice.Send(s.instance(), s.pool(), s.why(), f));
    } else if (c instanceof Choice.Wait w) {
      ledger.move(r.id(), w);
      lookLater(r, w);
    }
  }

  private Ask waited(OneRouter at, Request r) {
    return at.estimates().ask(r).waited((long) (now - out.arrival[r.id()]));
  }

  private void send(OneRouter at, Request r, Ask ask, Choice.Send s) {
    int slot = s.instance().slot();
    at.ledger().sent(slot, new Sent(r.id(), ask, s, cores[slot], () -> now));
    out.node[r.id()] = slot;
    if (spread != null) {
      spread.sent(r, slot, now);
    }
    cores[slot].submit(r.job(), now);
    next.set(slot, cores[slot].nextNanos());
  }

  private void seat(OneRouter at, int slot, Ledger.Waiter w) {
    Choice.Send way =
        w.until().ways().stream()
            .filter(x -> x.instance().slot() == slot)
            .findFirst()
            .orElseThrow();
    Request r = requests.get(w.id());
    Ask ask = waited(at, r);
    Forecast f =
        at.policy()
            .foretell(ask, MODEL, way.instance(), at.ledger())
            .after(way.forecast(), ask.waitedNanos());
    send(at, r, ask, new Choice.Send(way.instance(), way.pool(), way.why(), f));
  }

  private LeapCore.Sink sink(int slot) {
    return new LeapCore.Sink() {
      @Override
      public void first(int id, double atNanos, int cachedTokens) {
        out.first[id] = atNanos;
        Ledger ledger = router(id).ledger();
        ledger.first(slot, ledger.find(slot, id), atNanos);
        cached[id] = cachedTokens;
      }

      @Override
      public void ended(int id, double atNanos, int tokens, boolean cut) {
        if (out.last[id] > 0) {
          throw new IllegalStateException("request " + id + " was answered twice");
        }
        out.last[id] = atNanos;
        out.first[id] = tokens == 0 ? atNanos : out.first[id];
        out.tokens[id] = tokens;
        out.cut[id] = cut;
        out.answered++;
        settle(slot, requests.get(id), tokens);
      }
    };
  }

  private void settle(int slot, Request r, int tokens) {
    OneRouter at = router(r.id());
    Ledger ledger = at.ledger();
    Sent s = ledger.find(slot, r.id());
    LeapJob job = r.job();
    double stalled = ledger.stalled(slot, s);
    Ledger.Waiter w = ledger.ended(slot, s);
    if (spread != null) {
      spread.ended(r, cached[r.id()], now);
    }
    at.estimates().learn(r, job.promptTokens(), tokens);
    at.policy().settled(facts(r, s, tokens, stalled, true));
    if (w != null) {
      seat(at, slot, w);
    }
    follow(r);
  }

  private Facts facts(Request r, Sent s, int tokens, double stalled, boolean complete) {
    return new Facts(
        s.send.instance(),
        MODEL,
        r.bodyBytes(),
        s.dispatchNanos(),
        s.firstNanos(),
        (long) now,
        tokens,
        tokens * 200L,
        complete ? new Facts.Usage(r.job().promptTokens(), tokens, cached[r.id()]) : null,
        complete,
        true,
        s.ask,
        s.forecast(),
        stalled,
        s.otherFirstNanos,
        s.otherLastNanos,
        s.ahead(),
        false);
  }

  private void follow(Request r) {
    int f = followers[r.id()];
    if (f >= 0) {
      later.add(new Arrival(now + requests.get(f).atNanos(), f));
    }
  }
}
