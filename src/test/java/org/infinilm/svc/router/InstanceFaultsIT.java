package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import org.infinilm.svc.router.InstanceFaults.Cell;
import org.infinilm.svc.router.InstanceFaults.Seen;
import org.infinilm.svc.router.Said.End;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The fault matrix, instances, on real sockets: each row alone and beside a good instance. Nothing
/// stays in flight, no connection stays open.
@Timeout(120)
class InstanceFaultsIT {
  @ParameterizedTest(name = "{0}, alone")
  @MethodSource("org.infinilm.svc.router.InstanceFaults#cells")
  void alone(Cell cell) throws Exception {
    try (Rig rig = new Rig()) {
      ScriptedInstance bad = rig.good("bad");
      rig.start(cell.settings().toArray(String[]::new));
      cell.fault().on(bad);
      Said said = rig.send(Rig.post(Rig.CHAT, "", cell.body()));
      check(rig, cell, said, cell.alone());
      over(rig, bad, cell);
    }
  }

  @ParameterizedTest(name = "{0}, beside a good one")
  @MethodSource("org.infinilm.svc.router.InstanceFaults#cells")
  void beside(Cell cell) throws Exception {
    try (Rig rig = new Rig()) {
      ScriptedInstance bad = rig.good("bad");
      rig.good("good");
      rig.start(cell.settings().toArray(String[]::new));
      cell.fault().on(bad);
      boolean met = false;
      for (int k = 0; k < 30 && !met; k++) {
        Said said = rig.send(Rig.post(Rig.CHAT, "", cell.body()));
        met =
            !said.field("x-infini-attempts").equals("1")
                || !said.field("x-infini-instance").equals("good");
        if (met) {
          check(rig, cell, said, cell.beside());
          if (cell.beside().attempts() == 2) {
            assertThat(said.body()).isEqualTo("ok");
            assertThat(said.field("x-infini-instance")).isEqualTo("good");
          }
        } else {
          assertThat(said.ok()).as("an answer of the good one").isTrue();
        }
      }
      assertThat(met).as("the bad one was asked").isTrue();
      over(rig, bad, cell);
    }
  }

  /// Slow is not broken: it stays in service with a smaller share.
  @Test
  void oneThatIsThreeTimesSlowerStaysInServiceAndGetsLess() throws Exception {
    try (Rig rig = new Rig()) {
      for (int k = 0; k < 3; k++) {
        int millis = k == 0 ? 150 : 50;
        rig.answering(
            k == 0 ? "slow" : "fast-" + k,
            (r, n) -> {
              Thread.sleep(millis);
              return Rig.OK;
            });
      }
      rig.start();
      try (Crowd c = new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY))) {
        c.start(12, 50).join();
        assertThat(c.failed).isEmpty();
        assertThat(c.broken).isEmpty();
      }
      int slow = rig.instances.getFirst().seen.size();
      assertThat(slow).isPositive();
      for (ScriptedInstance fast : rig.instances.subList(1, 3)) {
        assertThat(fast.seen.size()).as(fast.name).isGreaterThan(slow);
      }
      assertThat(rig.health()).isEqualTo("3/3");
      rig.quiet();
    }
  }

  private static void check(Rig rig, Cell cell, Said said, Seen expected) throws Exception {
    assertThat(said.status()).as("%s: %s", cell, said).isIn(expected.statuses());
    assertThat(said.end()).as("%s: %s", cell, said).isEqualTo(expected.end());
    if (cell.body().equals(Rig.STREAM) && expected.end() == End.CUT) {
      assertThat(said.body()).startsWith("data: a\n\n").contains("data: {\"error\":");
    }
    rig.outcome(expected.outcome());
    JsonNode d = rig.newest();
    assertThat(d.path("attempts").asInt()).as("%s", d).isEqualTo(expected.attempts());
  }

  private static void over(Rig rig, ScriptedInstance bad, Cell cell) {
    rig.quiet();
    await()
        .atMost(Rig.SOON)
        .untilAsserted(
            () -> assertThat(bad.open()).as("connections").isLessThanOrEqualTo(cell.kept()));
  }
}
