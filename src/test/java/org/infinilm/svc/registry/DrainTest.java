package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;

class DrainTest {
  /// What a host's INFINI_REGISTRY_URL says for its babysitter is good for this, too.
  @Test
  void severalRegistriesOverOneStoreAreTaken() throws ConfigException {
    assertThat(Drain.addresses("http://a:18000, http://b:18001/x").all())
        .containsExactly(URI.create("http://a:18000"), URI.create("http://b:18001/x"));
    assertThat(Drain.addresses("http://a:18000").all()).hasSize(1);
    assertThatThrownBy(() -> Drain.addresses("http://a:18000,,http://b:1"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("expected: http://host:port");
  }
}
