package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.infinilm.svc.policy.Policies;
import org.junit.jupiter.api.Test;

class PolicySwitchTest {
  private static PolicySwitch of(String name) {
    return new PolicySwitch(name, Policies.Options.DEFAULT);
  }

  @Test
  void onePolicyIsInForceAtATime() {
    PolicySwitch p = of("round-robin");
    assertThat(p.learns()).isFalse();
    p.become("adaptive", 1);
    assertThat(p.name()).isEqualTo("adaptive");
    assertThat(p.learns()).isTrue();
    p.become("round-robin", 2);
    assertThat(p.name()).isEqualTo("round-robin");
    assertThat(p.learns()).isFalse();
  }

  /// A router that runs another policy for a while does not wipe the file of what was learned.
  @Test
  void whatAFileKeptIsKeptWhileNothingLearns() {
    Map<String, Object> kept = Map.of("m", Map.of("paged", Map.of()));
    PolicySwitch p = of("round-robin");
    p.recall(kept, 1);
    assertThat(p.remembered(2)).isEqualTo(kept);
    p.become("session", 3);
    assertThat(p.remembered(4)).isEqualTo(kept);
  }

  @Test
  void whatCannotBeRecalledStopsNoChangeOfPolicy() {
    PolicySwitch p = of("round-robin");
    p.recall(Map.of("m", "damaged"), 1);
    p.become("adaptive", 2);
    assertThat(p.name()).isEqualTo("adaptive");
    p.become("adaptive", 3);
    assertThat(p.remembered(4)).isEmpty();
  }
}
