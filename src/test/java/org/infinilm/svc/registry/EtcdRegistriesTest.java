package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.etcd.Etcd.Change;
import org.infinilm.svc.etcd.KeyValue;
import org.junit.jupiter.api.Test;

class EtcdRegistriesTest {
  private static final Duration LEASE = Duration.ofSeconds(20);

  private final Samples.Clock clock = new Samples.Clock();
  private final EtcdKeys keys = new EtcdKeys("/p/");
  private final EtcdRegistries registries = new EtcdRegistries(keys, clock);

  private void pass(long seconds) {
    clock.advance(Duration.ofSeconds(seconds));
  }

  private void heard(String key, boolean deleted) {
    registries.heard(List.of(new Change(deleted, new KeyValue(key, new byte[0], 1, 1))));
  }

  private EtcdRegistries.State look() {
    return registries.look(true, LEASE);
  }

  @Test
  void silenceCountsWhenItIsFoundTwiceWhileEtcdIsHeard() {
    pass(6);
    assertThat(look().isAlone()).as("once").isFalse();
    assertThat(registries.look(false, LEASE).isAlone()).as("etcd is away").isFalse();
    heard(keys.registry("r"), true);
    heard(keys.note("x", "seats"), false);
    assertThat(look().isAlone()).isTrue();
    registries.grace();
    assertThat(look().isAlone()).as("etcd is back, no registry").isTrue();
    heard(keys.registry("r"), false);
    assertThat(look().isAlone()).isFalse();
  }

  @Test
  void aRegistryThatIsBackHasALeaseToHearAllThatLive() {
    pass(6);
    look();
    assertThat(look().isOver()).isFalse();
    heard(keys.registry("r"), false);
    assertThat(look().isOver()).isFalse();
    for (int k = 0; k < 5; k++) {
      pass(4);
      heard(keys.registry("r"), false);
      assertThat(look().isOver()).isFalse();
    }
    pass(1);
    assertThat(look().isOver()).isTrue();
  }
}
