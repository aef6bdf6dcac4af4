package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.infinilm.svc.babysitter.Standing.Call;
import org.infinilm.svc.babysitter.Standing.Pace;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient.Outcome;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StandingTest {
  private static final long SOON_MS = 2000;
  private static final long HEARTBEAT_MS = 30_000;

  /// A registry with one name, by the rules of its table.
  private static final class World {
    @Nullable Registration entry;
    boolean probedIll;
    boolean others;

    private boolean othersLives() {
      return entry != null && others && entry.status().equals("running") && !probedIll;
    }

    Outcome take(Call call) {
      return switch (call) {
        case Call.Register c -> {
          if (othersLives() && !c.entry().status().equals("running")) {
            yield Outcome.TAKEN;
          }
          entry = c.entry();
          probedIll = false;
          others = false;
          yield Outcome.DONE;
        }
        case Call.Status c -> said(c.entry().status());
        case Call.Renew c -> said(c.status());
        case Call.Ask _ -> said(null);
      };
    }

    private Outcome said(@Nullable String status) {
      Registration e = entry;
      if (e == null || others) {
        return othersLives() ? Outcome.TAKEN : Outcome.UNKNOWN;
      }
      entry = status == null ? e : e.withStatus(status);
      return Outcome.DONE;
    }

    /// The babysitter's own /health says whether it serves.
    void probe(boolean serves) {
      probedIll = !serves;
    }

    boolean holds(Registration wanted) {
      return !others
          && Objects.equals(entry, wanted)
          && !(wanted.status().equals("running") && probedIll);
    }
  }

  private enum Fate {
    ANSWERED,
    NOT_SENT,
    LOST_BEFORE,
    LOST_AFTER,
    LATE
  }

  /// A call that the registry reads later.
  private static final class Late {
    final Call call;
    int saidSince;

    Late(Call call) {
      this.call = call;
    }
  }

  /// One registrant and its registry.
  private static final class Pair {
    final World world = new World();
    final List<Late> late = new ArrayList<>();
    Standing standing = Standing.INITIAL;
    boolean claims = true;

    Call step(Registration wanted, Fate fate) {
      Standing before = standing;
      Call call = before.next(wanted, claims);
      standing = before.sent(call);
      switch (fate) {
        case ANSWERED -> {
          standing = before.answered(call, world.take(call));
          if (call instanceof Call.Register) {
            late.forEach(l -> l.saidSince++);
          }
        }
        case NOT_SENT -> standing = before.unsent();
        case LOST_BEFORE -> {}
        case LOST_AFTER -> world.take(call);
        case LATE -> late.add(new Late(call));
      }
      return call;
    }

    /// What comes late comes within a heartbeat of the first answer.
    void readLate(Random random) {
      List<Late> now =
          late.stream().filter(l -> l.saidSince >= 2 || random.nextInt(3) == 0).toList();
      late.removeAll(now);
      now.forEach(l -> world.take(l.call));
    }

    long pauseMs() {
      return switch (standing.pace()) {
        case NOW -> 0;
        case SOON -> SOON_MS;
        case HEARTBEAT -> HEARTBEAT_MS;
      };
    }
  }

  private static Registration entry(String status, int models) {
    return new Registration("a", "h", 1, "h", "http://h:1", status, Map.of("k", models), 1);
  }

  /// Told `before`, the call that says `lost` is carried out and its answer lost; then the registry
  /// answers again.
  @ParameterizedTest
  @CsvSource({
    "running, unhealthy, running",
    "running, restarting, running",
    "running, draining, running",
    "unhealthy, running, unhealthy",
    "running, unhealthy, draining",
    "draining, restarting, draining",
    "loading, running, loading",
  })
  void aLostAnswerIsNoCallThatWasNotMade(String before, String lost, String wanted) {
    for (Fate fate : List.of(Fate.LOST_AFTER, Fate.LOST_BEFORE, Fate.LATE)) {
      Pair p = new Pair();
      while (p.standing.pace() != Pace.HEARTBEAT) {
        p.step(entry(before, 1), Fate.ANSWERED);
      }
      p.step(entry(lost, 1), fate);
      p.step(entry(wanted, 1), Fate.LOST_BEFORE);
      long elapsedMs = 0;
      do {
        p.step(entry(wanted, 1), Fate.ANSWERED);
        p.late.forEach(l -> p.world.take(l.call));
        if (elapsedMs > 0) {
          p.late.clear();
        }
        elapsedMs += p.pauseMs();
      } while (elapsedMs < HEARTBEAT_MS);
      assertThat(p.world.holds(entry(wanted, 1))).as("%s", fate).isTrue();
    }
  }

  /// An old heartbeat that said `draining` comes after the registration.
  @Test
  void aHeartbeatThatComesLateTakesNobodyOutOfService() {
    Pair p = new Pair();
    while (p.standing.pace() != Pace.HEARTBEAT) {
      p.step(entry("draining", 1), Fate.ANSWERED);
    }
    assertThat(p.step(entry("draining", 1), Fate.LATE)).isInstanceOf(Call.Renew.class);
    while (!(p.step(entry("running", 1), Fate.ANSWERED) instanceof Call.Register)) {
      assertThat(p.standing.pace()).isEqualTo(Pace.NOW);
    }
    p.late.forEach(l -> p.world.take(l.call));
    assertThat(p.world.holds(entry("running", 1))).isFalse();
    assertThat(p.standing.pace()).isEqualTo(Pace.SOON);
    p.step(entry("running", 1), Fate.ANSWERED);
    p.step(entry("running", 1), Fate.ANSWERED);
    assertThat(p.world.holds(entry("running", 1))).isTrue();
  }

  @Test
  void withoutAFaultEachChangeIsOneCallAndHeartbeatsSayNoRunning() {
    Pair p = new Pair();
    assertThat(p.step(entry("running", 1), Fate.ANSWERED)).isInstanceOf(Call.Register.class);
    assertThat(p.step(entry("running", 1), Fate.ANSWERED))
        .isEqualTo(new Call.Renew(entry("running", 1), null));
    assertThat(p.step(entry("draining", 1), Fate.ANSWERED)).isInstanceOf(Call.Status.class);
    assertThat(p.step(entry("draining", 1), Fate.ANSWERED))
        .isEqualTo(new Call.Renew(entry("draining", 1), "draining"));
    assertThat(p.step(entry("running", 1), Fate.ANSWERED)).isInstanceOf(Call.Register.class);
    assertThat(p.step(entry("running", 2), Fate.ANSWERED)).isInstanceOf(Call.Register.class);
    assertThat(p.standing.pace()).isEqualTo(Pace.HEARTBEAT);
  }

  @Test
  void aCallThatWasNotSentLeavesNoDoubt() {
    Pair p = new Pair();
    p.step(entry("running", 1), Fate.ANSWERED);
    p.step(entry("unhealthy", 1), Fate.NOT_SENT);
    assertThat(p.step(entry("running", 1), Fate.ANSWERED)).isInstanceOf(Call.Renew.class);
  }

  /// Whoever took the name while an answer was lost keeps it.
  @Test
  void doubtFightsForNoName() {
    Pair p = new Pair();
    p.step(entry("running", 1), Fate.ANSWERED);
    p.step(entry("unhealthy", 1), Fate.LOST_AFTER);
    p.world.entry = entry("running", 7);
    p.world.others = true;
    for (int i = 0; i < 5; i++) {
      assertThat(p.step(entry("running", 1), Fate.ANSWERED)).isInstanceOf(Call.Ask.class);
      assertThat(p.standing.pace()).isEqualTo(Pace.SOON);
    }
    p.world.entry = null;
    p.step(entry("running", 1), Fate.ANSWERED);
    assertThat(p.standing.pace()).isEqualTo(Pace.NOW);
    p.step(entry("running", 1), Fate.ANSWERED);
    assertThat(p.world.holds(entry("running", 1))).isTrue();
  }

  /// Calls that are answered, not sent, lost before or after they are carried out, or carried out
  /// late in any order; other statuses and models meanwhile; a registry that forgets; another
  /// registrant. Once that is over the registry has what is wanted within a heartbeat, for good.
  @Test
  void whateverGetsLostTheRegistryHasWhatIsWantedAHeartbeatLater() {
    List<String> statuses = List.of("running", "unhealthy", "restarting", "draining", "loading");
    for (int seed = 0; seed < 20_000; seed++) {
      Random random = new Random(seed);
      Pair p = new Pair();
      p.claims = random.nextBoolean();
      Registration wanted = entry("running", 1);
      int steps = random.nextInt(1, 25);
      for (int i = 0; i < steps; i++) {
        if (random.nextInt(3) == 0) {
          wanted = entry(statuses.get(random.nextInt(statuses.size())), random.nextInt(2));
        }
        switch (random.nextInt(20)) {
          case 0 -> p.world.entry = null;
          case 1 -> {
            p.world.entry = entry("running", 7);
            p.world.others = true;
            p.world.probedIll = false;
          }
          case 2, 3 -> p.world.probe(wanted.status().equals("running"));
          case 4 -> p.claims = true;
          default -> {}
        }
        Fate fate = random.nextBoolean() ? Fate.ANSWERED : Fate.values()[random.nextInt(5)];
        p.step(wanted, fate);
        p.readLate(random);
      }
      if (p.world.others) {
        p.world.entry = null;
      }
      settles(p, wanted, random, seed);
    }
  }

  private static void settles(Pair p, Registration wanted, Random random, int seed) {
    long elapsedMs = 0;
    while (!p.late.isEmpty() || elapsedMs < HEARTBEAT_MS) {
      p.step(wanted, Fate.ANSWERED);
      p.readLate(random);
      elapsedMs += p.pauseMs();
    }
    int calls = 0;
    while (p.standing.pace() != Pace.HEARTBEAT || p.standing.doubts() > 0) {
      p.step(wanted, Fate.ANSWERED);
      assertThat(++calls).as("seed %d", seed).isLessThan(20);
    }
    for (int i = 0; i < 3; i++) {
      assertThat(p.world.holds(wanted))
          .as("seed %d: %s of %s, %s", seed, wanted, p.world.entry, p.standing)
          .isTrue();
      assertThat(p.step(wanted, Fate.ANSWERED)).isInstanceOf(Call.Renew.class);
    }
  }
}
