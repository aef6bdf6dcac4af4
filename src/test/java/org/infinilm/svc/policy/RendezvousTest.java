package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Routers that do not speak of keys give each the same home.
class RendezvousTest {
  private static Instance instance(String name, int weight, State state, int slot) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name + ":1",
        List.of("m"),
        CacheType.PAGED,
        Instance.UNKNOWN,
        weight,
        state,
        slot,
        Map.of());
  }

  /// The same instances as another router has them: told in another order, with other slots and
  /// other requests in flight, and some of them out for it alone.
  private record Sight(Candidates candidates, Map<Integer, Integer> inFlight) {
    static Sight of(Map<String, Integer> weights, Set<String> out, long seed) {
      Random random = new Random(seed);
      List<String> names = new ArrayList<>(weights.keySet());
      Collections.shuffle(names, random);
      List<Instance> all = new ArrayList<>();
      Map<Integer, Integer> inFlight = new HashMap<>();
      int slot = random.nextInt(5);
      for (String name : names) {
        if (!out.contains(name)) {
          all.add(instance(name, weights.get(name), State.ROUTABLE, slot));
          slot += 1 + random.nextInt(3);
        }
      }
      return new Sight(Candidates.of("m", all), inFlight);
    }

    Choice.Send home(Policy p, long key) {
      return (Choice.Send)
          p.choose(
              new Ask(0, 0, 0, 0, key),
              candidates,
              s -> inFlight.getOrDefault(s, 0),
              new SplittableRandom(key));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cache-type", "session"})
  void theSameKeyHasTheSameHomeOnEveryRouter(String policy) {
    for (long seed = 0; seed < 60; seed++) {
      Random random = new Random(seed);
      Map<String, Integer> weights = new HashMap<>();
      int n = 3 + random.nextInt(40);
      boolean even = seed % 2 == 0;
      for (int k = 0; k < n; k++) {
        weights.put("instance-" + random.nextInt(1_000_000), even ? 1 : 1 + random.nextInt(4));
      }
      String out = weights.keySet().iterator().next();
      Sight one = Sight.of(weights, Set.of(), seed);
      Sight two = Sight.of(weights, Set.of(), seed + 1000);
      Sight cut = Sight.of(weights, Set.of(out), seed + 2000);
      Policy a = Policies.create(policy);
      Policy b = Policies.create(policy);
      Set<String> homes = new HashSet<>();
      for (int k = 0; k < 300; k++) {
        long key = Policies.affinity("key " + seed + "/" + k);
        String home = one.home(a, key).instance().name();
        assertThat(one.home(a, key).why()).isEqualTo(Reason.AFFINITY);
        assertThat(two.home(b, key).instance().name()).isEqualTo(home);
        String where = cut.home(b, key).instance().name();
        if (home.equals(out)) {
          assertThat(where).isNotEqualTo(out);
        } else {
          assertThat(where)
              .as("a circuit that is open for another moves no other key")
              .isEqualTo(home);
        }
        homes.add(home);
      }
      assertThat(homes.size()).isGreaterThan(Math.min(n, 8) / 2);
    }
  }
}
