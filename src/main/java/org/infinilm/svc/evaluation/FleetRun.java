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
  private static final String MODEL = "m";

  private final FleetPlan plan;
  private final List<Request> requests;
  private final double spanNanos;
  private final Policy policy;
  private final SplittableRandom random;
  private final Ledger ledger;
  private final Estimates estimates;
  private final Outcome out;
  private final LeapCore[] cores;
  private final double[] next;
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

  private final PriorityQueue<Arrival> later =
      new PriorityQueue<>(
          Comparator.comparingDouble(Arrival::atNanos).thenComparingInt(Arrival::id));

  FleetRun(FleetPlan plan, Workload workload, Arm arm, long seed) {
    this.plan = arm.thresholdBytes() < 0 ? plan : plan.withThreshold(arm.thresholdBytes());
    this.requests = workload.requests();
    this.spanNanos = workload.spanNanos();
    this.policy = arm.policy().apply(plan);
    this.random = new SplittableRandom(seed);
    this.ledger = new Ledger(plan.nodes(), arm.seated(), () -> now);
    this.estimates = new Estimates(this.plan);
    this.out = new Outcome(requests.size());
    this.cores = plan.nodes().stream().map(n -> LeapCore.of(n.engine())).toArray(LeapCore[]::new);
    this.sinks = new LeapCore.Sink[cores.length];
    Arrays.setAll(sinks, this::sink);
    this.next = new double[cores.length];
    Arrays.fill(next, Double.POSITIVE_INFINITY);
    this.all = instances(plan.nodes());
    this.down = new boolean[all.size()];
    this.candidates = Candidates.of(MODEL, all);
    this.cached = new int[requests.size()];
    this.followers = new int[requests.size()];
    Arrays.fill(followers, -1);
    if (policy instanceof Oracle o) {
      o.sees(plan, cores, out, () -> now);
    }
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
      int core = earliest();
      double e = next[core];
      double t = Math.min(Math.min(a, l == null ? Double.MAX_VALUE : l.atNanos()), Math.min(c, e));
      if (t == Double.MAX_VALUE || (t == c && arrival == arrivals.size() && noneLeft(l, e))) {
        return out;
      }
      now = t;
      if (t == e) {
        cores[core].advance(now, sinks[core]);
        next[core] = cores[core].nextNanos();
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

  private boolean noneLeft(@Nullable Arrival l, double e) {
    return l == null && e == Double.POSITIVE_INFINITY && ledger.waiting() == 0;
  }

  private void change(Change x) {
    int k = x.node();
    if (x.factor() == DOWN) {
      crash(k);
    } else if (x.factor() == BACK) {
      down[k] = false;
      ledger.back(k);
      anew(ledger.leave());
    } else {
      cores[k].slow(x.factor(), now);
      next[k] = cores[k].nextNanos();
    }
  }

  /// What it had is lost; requests of whose answer nothing has come are sent elsewhere, as the
  /// router does, and who waits looks again.
  private void crash(int k) {
    cores[k] = LeapCore.of(plan.nodes().get(k).engine());
    next[k] = Double.POSITIVE_INFINITY;
    down[k] = true;
    List<Integer> again = new ArrayList<>();
    for (Sent s : ledger.crashed(k)) {
      Request r = requests.get(s.id);
      policy.settled(facts(r, s, 0, 0, false));
      if (s.firstNanos() == 0) {
        again.add(r.id());
      } else {
        out.broken++;
        follow(r);
      }
    }
    again.addAll(ledger.leave());
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

  private int earliest() {
    int best = 0;
    for (int k = 1; k < next.length; k++) {
      best = next[k] < next[best] ? k : best;
    }
    return best;
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
    Ask ask = estimates.ask(r);
    if (policy instanceof Told t) {
      t.asks(r);
    }
    Choice c = policy.choose(ask, among, ledger, random);
    for (int k = 1; c instanceof Choice.Send s && !ledger.hasSeat(s.instance().slot()); k++) {
      c = k < TRIES ? policy.choose(ask, among, ledger, random) : new Choice.Wait(List.of(s));
    }
    switch (c) {
      case Choice.Send s -> send(r, ask, s);
      case Choice.Wait w -> ledger.await(r.id(), w, r.bodyBytes());
      case Choice.Refuse x -> {
        out.refused++;
        follow(r);
      }
    }
  }

  private void send(Request r, Ask ask, Choice.Send s) {
    int slot = s.instance().slot();
    ledger.sent(slot, new Sent(r.id(), ask, s, cores[slot], () -> now));
    out.node[r.id()] = slot;
    cores[slot].submit(r.job(), now);
    next[slot] = cores[slot].nextNanos();
  }

  private LeapCore.Sink sink(int slot) {
    return new LeapCore.Sink() {
      @Override
      public void first(int id, double atNanos, int cachedTokens) {
        out.first[id] = atNanos;
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
    Sent s = ledger.find(slot, r.id());
    LeapJob job = r.job();
    double stalled = ledger.stalled(slot, s);
    Ledger.Waiter w = ledger.ended(slot, s);
    estimates.learn(r, job.promptTokens(), tokens);
    policy.settled(facts(r, s, tokens, stalled, true));
    if (w != null) {
      Choice.Send way =
          w.until().ways().stream()
              .filter(x -> x.instance().slot() == slot)
              .findFirst()
              .orElseThrow();
      Request waited = requests.get(w.id());
      send(waited, estimates.ask(waited), way);
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
        s.otherLastNanos);
  }

  private void follow(Request r) {
    int f = followers[r.id()];
    if (f >= 0) {
      later.add(new Arrival(now + requests.get(f).atNanos(), f));
    }
  }
}
