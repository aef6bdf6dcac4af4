package org.infinilm.svc.evaluation;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.simulator.LeapCore;
import org.jspecify.annotations.Nullable;

/// A myopic oracle: it forks every engine, lets the request run there with its true lengths, and
/// takes the instance where the requests in flight and this one lose least. It knows all of now and
/// nothing of what comes, so it is no upper bound: a policy that holds requests back may beat it.
final class Oracle implements Policy, Told {
  private static final double WITHIN = 0.05;
  private static final double MOST = 6;

  private @Nullable FleetPlan plan;
  private LeapCore @Nullable [] cores;
  private @Nullable Outcome seen;
  private Sent.@Nullable Clock clock;
  private @Nullable Request asked;

  /// Hands it what no policy sees.
  void sees(FleetPlan p, LeapCore[] c, Outcome o, Sent.Clock now) {
    plan = p;
    cores = c;
    seen = o;
    clock = now;
  }

  @Override
  public void asks(Request r) {
    asked = r;
  }

  @Override
  public String name() {
    return "oracle";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Request r = asked;
    LeapCore[] all = cores;
    if (r == null || all == null) {
      throw new IllegalStateException("the oracle sees nothing");
    }
    List<Instance> among = candidates.in(Pool.ANY);
    Instance best = among.getFirst();
    double least = Double.POSITIVE_INFINITY;
    int need = r.job().promptTokens() + Math.min(r.job().outputTokens(), r.job().maxTokens());
    for (Instance i : among) {
      boolean fits = i.fits(need);
      double loss = fits ? loss(all[i.slot()].fork(), r) - loss(all[i.slot()].fork(), null) : 1e6;
      if (loss < least) {
        least = loss;
        best = i;
      }
    }
    return new Choice.Send(best, Pool.ANY, Reason.POLICY);
  }

  /// What all that is in the engine, and `more`, lose until it is empty.
  private double loss(LeapCore core, @Nullable Request more) {
    FleetPlan p = plan;
    Outcome o = seen;
    Sent.Clock c = clock;
    if (p == null || o == null || c == null) {
      throw new IllegalStateException("the oracle sees nothing");
    }
    double now = c.nanos();
    if (more != null) {
      core.submit(more.job(), now);
    }
    Sum sum = new Sum(p, o, more, now);
    while (core.nextNanos() < Double.POSITIVE_INFINITY) {
      core.advance(core.nextNanos(), sum);
    }
    return sum.loss;
  }

  /// One for each that misses its limits, and a little for how near it comes.
  private static final class Sum implements LeapCore.Sink {
    private final FleetPlan plan;
    private final Outcome seen;
    private final int more;
    private final double now;
    private final Map<Integer, Double> first = new HashMap<>();
    private double loss;

    Sum(FleetPlan plan, Outcome seen, @Nullable Request more, double now) {
      this.plan = plan;
      this.seen = seen;
      this.more = more == null ? -1 : more.id();
      this.now = now;
    }

    @Override
    public void first(int job, double atNanos, int cachedTokens) {
      first.put(job, atNanos);
    }

    @Override
    public void ended(int job, double atNanos, int tokens, boolean cut) {
      double came = job == more ? now : seen.arrival[job];
      double f = first.getOrDefault(job, seen.first[job]);
      double ttft = (f - came) / plan.ttftNanos();
      double tpot = tokens < 2 ? 0 : (atNanos - f) / (tokens - 1) / plan.tpotNanos();
      double worst = cut ? MOST : Math.max(ttft, tpot);
      loss += (worst > 1 ? 1 : 0) + WITHIN * Math.min(worst, MOST);
    }
  }
}
