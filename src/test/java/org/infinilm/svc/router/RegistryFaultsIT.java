package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The fault matrix, the registry: requests do not notice.
@Timeout(120)
class RegistryFaultsIT {
  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.good("a");
    rig.good("b");
  }

  @AfterEach
  void end() throws Exception {
    try {
      rig.quiet();
    } finally {
      rig.close();
    }
  }

  private Crowd crowd() {
    return new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY));
  }

  /// Requests go on until the registry was asked so many more times, and none fails.
  private void nobodyNoticesWhileItIsAsked(int times) throws Exception {
    int before = rig.registry.asked.get();
    AtomicBoolean going = new AtomicBoolean(true);
    try (Crowd c = crowd().startWhile(4, going::get)) {
      await().atMost(Rig.SOON).until(() -> rig.registry.asked.get() >= before + times);
      going.set(false);
      c.join();
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
      assertThat(c.whole.get()).isPositive();
    }
  }

  @Test
  void goneForGoodItTakesNothingWithIt() throws Exception {
    rig.start("service_removal_grace_period=0");
    rig.registry.dies();
    int probes = rig.instances.getFirst().healthChecks.get();
    try (Crowd c = crowd().start(4, 50).join()) {
      assertThat(c.failed).isEmpty();
    }
    await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().healthChecks.get() >= probes + 5);
    assertThat(rig.health()).isEqualTo("2/2");
    assertThat(rig.chat().ok()).isTrue();
  }

  @Test
  void aDeadInstanceIsFoundOutWithoutIt() throws Exception {
    rig.start("max_errors=2");
    rig.registry.dies();
    rig.instances.getFirst().dies();
    try (Crowd c = crowd().start(4, 50).join()) {
      assertThat(c.failed).isEmpty();
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/2"));
    rig.instances.getFirst().returns();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
  }

  @Test
  void emptyAfterARestartItEmptiesNothingWithinTheGrace() throws Exception {
    rig.start("service_removal_grace_period=60");
    rig.registry.dies();
    rig.registry.forgetsAll();
    rig.registry.returns();
    nobodyNoticesWhileItIsAsked(10);
    assertThat(rig.health()).isEqualTo("2/2");
  }

  @Test
  void emptyForLongerThanTheGraceItIsBelieved() throws Exception {
    rig.start("service_removal_grace_period=0.5");
    rig.registry.forgetsAll();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("0/0"));
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(503);
    rig.outcome("rejected");
  }

  @Test
  void slowItDelaysNobody() throws Exception {
    rig.start();
    rig.registry.slow(700);
    nobodyNoticesWhileItIsAsked(3);
  }

  @Test
  void flappingItMovesNobody() throws Exception {
    rig.start();
    rig.registry.flaps(true);
    nobodyNoticesWhileItIsAsked(30);
    assertThat(rig.health()).isEqualTo("2/2");
  }

  /// C6: the babysitter's word does not bring back an engine that refuses; the state does not flap.
  @Test
  void aDeadEngineUnderAHealthyBabysitterStaysOutUntilItIsBack() throws Exception {
    rig.start("max_errors=2");
    ScriptedInstance dead = rig.instances.getFirst();
    dead.dies();
    try (Crowd c = crowd().start(4, 25).join()) {
      assertThat(c.failed).isEmpty();
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/2"));
    int probes = dead.healthChecks.get();
    await()
        .atMost(Rig.SOON)
        .pollInterval(java.time.Duration.ofMillis(20))
        .until(() -> {
          assertThat(rig.health()).as("while the engine is dead").isEqualTo("1/2");
          return dead.healthChecks.get() >= probes + 5;
        });
    dead.returns();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
  }
}
