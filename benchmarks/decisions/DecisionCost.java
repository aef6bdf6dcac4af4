import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;

/// Time of one decision by fleet size and policy, each instance with several requests in flight: median, 99th
/// percentile, and the mean, of 200,000 decisions after as many to warm up.
///
///     java -cp 'target/classes:target/lib/*' benchmarks/decisions/DecisionCost.java
public final class DecisionCost {
  private static final int DECISIONS = 200_000;

  private record Sent(long promptTokens, long tokens, long dispatchNanos, long firstNanos) implements Flight {
    @Override
    public long maxTokens() {
      return 512;
    }
  }

  public static void main(String[] args) {
    System.out.println("policy, instances, requests in flight at each: median, p99, mean in microseconds");
    for (String name : List.of("cache-type", "least-loaded", "session", "adaptive")) {
      for (int n : new int[] {4, 64, 512}) {
        measure(name, n, 6);
      }
    }
    for (int n : new int[] {4, 64}) {
      measure("adaptive", n, 64);
    }
  }

  private static void measure(String name, int n, int flights) {
    SplittableRandom random = new SplittableRandom(1);
    List<Instance> fleet = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      CacheType type = k % 3 == 2 ? CacheType.STATIC : CacheType.PAGED;
      String id = "instance-%03d".formatted(k);
      fleet.add(new Instance(id, "h", 1, "http://h:1", List.of("m"), type, 131_072, 1, Instance.State.ROUTABLE, k, Map.of()));
    }
    Candidates all = Candidates.of("m", fleet);
    long now = 1_000_000_000_000L;
    List<List<Flight>> there = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      List<Flight> of = new ArrayList<>();
      for (int f = random.nextInt(flights + 1); f > 0; f--) {
        long tokens = random.nextInt(200);
        long sent = now - 3_000_000_000L;
        of.add(new Sent(100 + random.nextInt(4000), tokens, sent, tokens == 0 ? 0 : sent + 500_000_000L));
      }
      there.add(List.copyOf(of));
    }
    Load load =
        new Load() {
          @Override
          public int inFlight(int slot) {
            return there.get(slot).size();
          }

          @Override
          public List<? extends Flight> flights(int slot) {
            return there.get(slot);
          }

          @Override
          public long nowNanos() {
            return now;
          }
        };
    Policy policy = Policies.create(name);
    teach(policy, fleet, random);
    long[] nanos = new long[DECISIONS];
    long sum = 0;
    int sends = 0;
    for (int round = 0; round < 2; round++) {
      sum = 0;
      for (int k = 0; k < DECISIONS; k++) {
        long prompt = 50 + random.nextInt(6000);
        long key = k % 2 == 0 ? 0 : 1 + random.nextInt(10_000);
        Ask ask = new Ask(4 * prompt, 51_200, prompt + 512, prompt / 3, key, prompt, 512);
        long before = System.nanoTime();
        Choice c = policy.choose(ask, all, load, random);
        nanos[k] = System.nanoTime() - before;
        sum += nanos[k];
        sends += c instanceof Choice.Send ? 1 : 0;
      }
    }
    Arrays.sort(nanos);
    System.out.printf(
        "%-12s %4d %3d: %7.2f %7.2f %7.2f%s%n",
        name, n, flights, nanos[DECISIONS / 2] / 1e3, nanos[DECISIONS / 100 * 99] / 1e3, sum / 1e3 / DECISIONS, sends == 2 * DECISIONS ? "" : " (not all were sent)");
  }

  private static void teach(Policy policy, List<Instance> fleet, SplittableRandom random) {
    for (int k = 0; k < 100 * fleet.size(); k++) {
      Instance i = fleet.get(k % fleet.size());
      long prompt = 100L + random.nextInt(8000);
      long tokens = 20L + random.nextInt(300);
      long sent = 900_000_000_000L + k * 1_000_000L;
      long first = sent + prompt * 30_000;
      long last = first + (tokens - 1) * 7_000_000;
      policy.settled(
          new Facts(
              i, "m", 4 * prompt, sent, first, last, (int) tokens, 1000, new Facts.Usage(prompt, tokens, 0), true, true,
              new Ask(4 * prompt, 51_200, prompt, prompt / 3, 1 + k % 10_000, prompt, 0),
              new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true), 0, 0, 0, null, false));
    }
  }
}
