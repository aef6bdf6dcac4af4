package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;

/// Policies to compare with, re-implemented from their descriptions. For one thread.
final class Rivals {
  private Rivals() {}

  /// The least of some score among those that can hold the request (among all, when the estimate
  /// fits nobody), the first of equals.
  abstract static class LeastScore implements Policy {
    @Override
    public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
      List<Instance> among = fitting(ask, candidates);
      Instance best = among.getFirst();
      double least = Double.POSITIVE_INFINITY;
      for (Instance i : among) {
        double s = score(ask, i, load, random);
        if (s < least) {
          least = s;
          best = i;
        }
      }
      chosen(ask, best);
      return new Choice.Send(best, Pool.ANY, Reason.POLICY);
    }

    abstract double score(Ask ask, Instance i, Load load, RandomGenerator random);

    void chosen(Ask ask, Instance i) {}
  }

  private static List<Instance> fitting(Ask ask, Candidates candidates) {
    List<Instance> all = candidates.in(Pool.ANY);
    List<Instance> out = new ArrayList<>(all.size());
    for (Instance i : all) {
      if (i.fits(ask.needTokens())) {
        out.add(i);
      }
    }
    return out.isEmpty() ? all : out;
  }

  /// Any that can hold it, by lot.
  static final class Lot extends LeastScore {
    @Override
    public String name() {
      return "random";
    }

    @Override
    double score(Ask ask, Instance i, Load load, RandomGenerator random) {
      return random.nextDouble();
    }
  }

  /// The deployment case's rule as it is: `size <= threshold` goes to the paged instances in turn,
  /// others to the static ones in turn, whether it fits or not.
  static final class Fixed implements Policy {
    private int paged;
    private int statics;

    @Override
    public String name() {
      return "fixed";
    }

    @Override
    public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
      boolean small = ask.size() <= ask.threshold();
      Pool pool = small ? Pool.PAGED : Pool.STATIC;
      List<Instance> of = candidates.in(pool);
      if (of.isEmpty()) {
        of = candidates.in(Pool.ANY);
      }
      int turn = small ? paged++ : statics++;
      return new Choice.Send(of.get(turn % of.size()), pool, Reason.SIZE);
    }
  }

  /// Where the last prompt of a key went, and how long it was: the prefix that may be found there.
  private static final class Homes {
    private static final int MOST = 65_536;

    private final Map<Long, long[]> last =
        new LinkedHashMap<>(16, 0.75f, true) {
          private static final long serialVersionUID = 1;

          @Override
          protected boolean removeEldestEntry(Map.Entry<Long, long[]> e) {
            return size() > MOST;
          }
        };

    /// Tokens of the prompt that the instance most likely has.
    long hit(Ask ask, Instance i) {
      long[] l = ask.affinity() == 0 ? null : last.get(ask.affinity());
      return l == null || l[0] != i.slot() ? 0 : Math.min(l[1], ask.promptTokens());
    }

    void note(Ask ask, Instance i) {
      if (ask.affinity() != 0) {
        last.put(ask.affinity(), new long[] {i.slot(), ask.promptTokens()});
      }
    }
  }

  /// LMetric: new prefill tokens (those that wait and the request's own, less what is cached) times
  /// the batch with it.
  static final class LMetric extends LeastScore {
    private final Homes homes = new Homes();

    @Override
    public String name() {
      return "lmetric";
    }

    @Override
    double score(Ask ask, Instance i, Load load, RandomGenerator random) {
      double tokens = ask.promptTokens() - homes.hit(ask, i);
      for (Flight f : load.flights(i.slot())) {
        tokens += f.firstNanos() == 0 ? f.promptTokens() : 0;
      }
      return tokens * (load.inFlight(i.slot()) + 1);
    }

    @Override
    void chosen(Ask ask, Instance i) {
      homes.note(ask, i);
    }
  }

  /// Dynamo's cost: uncached prefill blocks plus decode blocks, blocks of 64 tokens.
  static final class Dynamo extends LeastScore {
    private static final double BLOCK_TOKENS = 64;

    private final Homes homes = new Homes();

    @Override
    public String name() {
      return "dynamo";
    }

    @Override
    double score(Ask ask, Instance i, Load load, RandomGenerator random) {
      double prefill = ask.promptTokens() - homes.hit(ask, i);
      double decode = 0;
      for (Flight f : load.flights(i.slot())) {
        if (f.firstNanos() == 0) {
          prefill += f.promptTokens();
        }
        decode += f.promptTokens() + f.tokens();
      }
      return Math.ceil(prefill / BLOCK_TOKENS) + Math.ceil(decode / BLOCK_TOKENS);
    }

    @Override
    void chosen(Ask ask, Instance i) {
      homes.note(ask, i);
    }
  }

  /// Least load by expected wait: requests in flight times the instance's own mean time a request
  /// in flight.
  static final class LeastWait extends LeastScore {
    private static final double STEP = 0.1;

    private final Map<Integer, Double> nanos = new LinkedHashMap<>();

    @Override
    public String name() {
      return "least-wait";
    }

    @Override
    double score(Ask ask, Instance i, Load load, RandomGenerator random) {
      return (load.inFlight(i.slot()) + 1) * nanos.getOrDefault(i.slot(), 1.0)
          + 1e-9 * random.nextDouble();
    }

    @Override
    public void settled(Facts f) {
      double took = (double) (f.lastByteNanos() - f.dispatchNanos());
      nanos.merge(f.instance().slot(), took, (a, b) -> a + STEP * (b - a));
    }
  }
}
