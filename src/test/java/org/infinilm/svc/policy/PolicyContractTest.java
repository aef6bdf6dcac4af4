package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What every policy of the catalogue promises, whatever its idea.
class PolicyContractTest {
  static List<String> names() {
    return Policies.names();
  }

  /// An interface with defaults swallows what a wrapper does not pass on.
  @Test
  void whatIsAskedOfAPolicyIsAskedOfTheOneWithinTiers() {
    for (Method m : Policy.class.getDeclaredMethods()) {
      if (!Modifier.isStatic(m.getModifiers()) && !m.isSynthetic()) {
        assertThatCode(() -> Tiered.class.getDeclaredMethod(m.getName(), m.getParameterTypes()))
            .as(m.getName())
            .doesNotThrowAnyException();
      }
    }
  }

  /// Random fleets and asks: the choice is one of the candidates, of the pool it names, and fits; a
  /// refusal is right.
  @ParameterizedTest
  @MethodSource("names")
  void choosesACandidateThatFitsOrRefusesRightly(String name) {
    SplittableRandom random = new SplittableRandom(42);
    Policy policy = Policies.create(name);
    assertThat(policy.name()).isEqualTo(name);
    for (int round = 0; round < 2000; round++) {
      Candidates among = fleet(random);
      long least = random.nextLong(1, 3000);
      long need = least + random.nextLong(0, 3000);
      Ask ask =
          new Ask(
              random.nextLong(0, 100),
              random.nextLong(0, 100),
              need,
              least,
              random.nextBoolean() ? 0 : Policies.affinity("k" + random.nextInt(9)));
      SplittableRandom load = random.split();
      Choice choice = policy.choose(ask, among, slot -> load.nextInt(5), random);
      boolean anyFits = among.in(Pool.ANY).stream().anyMatch(i -> i.fits(need));
      switch (choice) {
        case Choice.Send s -> {
          assertThat(among.in(s.pool())).contains(s.instance());
          assertThat(s.instance().fits(anyFits ? need : least)).isTrue();
        }
        case Choice.Refuse r -> {
          assertThat(among.in(Pool.ANY)).noneMatch(i -> i.fits(least));
          assertThat(r.leastTokens()).isEqualTo(least);
        }
        case Choice.Wait w ->
            assertThat(w.ways())
                .isNotEmpty()
                .allMatch(s -> among.in(s.pool()).contains(s.instance()));
      }
    }
  }

  /// Random places: who is sent to takes a request and fits; a wait is for those that fit and are
  /// full, and never while one of the pool is free.
  @ParameterizedTest
  @MethodSource("names")
  void sendsToFreeOnesAndWaitsForFullOnes(String name) {
    SplittableRandom random = new SplittableRandom(7);
    Policy policy = Policies.create(name);
    for (int round = 0; round < 2000; round++) {
      Candidates among = fleet(random);
      long need = random.nextLong(1, 3000);
      Ask ask = new Ask(random.nextLong(0, 9), 4, need, 1, random.nextBoolean() ? 0 : 99);
      long busy = random.nextLong();
      Load load =
          new Load() {
            @Override
            public int inFlight(int slot) {
              return slot % 5;
            }

            @Override
            public boolean free(int slot) {
              return (busy >> (slot % 64) & 1) == 0;
            }
          };
      switch (policy.choose(ask, among, load, random)) {
        case Choice.Send s -> {
          assertThat(load.free(s.instance().slot())).isTrue();
          assertThat(among.in(s.pool())).contains(s.instance());
        }
        case Choice.Wait w -> {
          assertThat(w.accepted()).isNotEmpty().allMatch(i -> !load.free(i.slot()));
          for (Choice.Send s : w.ways()) {
            assertThat(among.in(s.pool())).contains(s.instance());
            assertThat(among.in(s.pool())).noneMatch(i -> i.fits(need) && load.free(i.slot()));
          }
        }
        case Choice.Refuse r -> assertThat(among.in(Pool.ANY)).noneMatch(i -> i.fits(1));
      }
    }
  }

  private static Candidates fleet(SplittableRandom random) {
    List<Instance> out = new ArrayList<>();
    int n = random.nextInt(1, 6);
    for (int k = 0; k < n; k++) {
      CacheType type =
          switch (random.nextInt(3)) {
            case 0 -> CacheType.PAGED;
            case 1 -> CacheType.STATIC;
            default -> null;
          };
      long capacity = random.nextInt(4) == 0 ? Instance.UNKNOWN : random.nextLong(1, 4000);
      out.add(Samples.instance("i" + k, type, capacity, random.nextInt(4), random.nextInt(100)));
    }
    return Candidates.of("m", out);
  }

  @ParameterizedTest
  @MethodSource("names")
  void severalThreadsGetTheirShare(String name) throws InterruptedException {
    Policy policy = Policies.create(name);
    Candidates two = Samples.among(Samples.untyped("a", 0), Samples.untyped("b", 1));
    List<String> all = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                List<String> mine = Samples.sequence(policy, Samples.size(1, 1), two, 500);
                synchronized (all) {
                  all.addAll(mine);
                }
              }));
    }
    for (Thread t : threads) {
      t.join();
    }
    assertThat(Samples.counts(all).get("a")).isBetween(990, 1010);
  }

  @ParameterizedTest
  @MethodSource("names")
  void isDescribedInTheDocumentation(String name) throws IOException {
    assertThat(Files.readString(Path.of("docs/policies.md"))).contains("## `" + name + "`");
  }

  @Test
  void namesAreUniqueAndTheDefaultIsFirst() {
    Set<String> unique = new HashSet<>(Policies.names());
    assertThat(unique).hasSize(Policies.names().size());
    assertThat(Policies.names().getFirst()).isEqualTo("cache-type");
    assertThatThrownBy(() -> Policies.create("fastest"))
        .hasMessageStartingWith("policy: fastest (expected: one of cache-type,");
  }

  @Test
  void everyReasonHasAWordOfItsOwn() {
    Set<String> words = new HashSet<>();
    for (Reason r : Reason.values()) {
      assertThat(words.add(r.label())).isTrue();
      assertThat(r.label()).matches("[a-z-]+");
    }
  }
}
