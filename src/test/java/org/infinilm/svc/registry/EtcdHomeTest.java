package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.etcd.Etcd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EtcdHomeTest {
  private static final List<Key<?>> KEYS =
      List.of(EtcdHome.STORE, EtcdHome.USER, EtcdHome.PASSWORD);

  private static EtcdHome of(Map<String, String> flags, Map<String, String> environment)
      throws ConfigException {
    return EtcdHome.of(Config.resolve(KEYS, flags, environment, null));
  }

  @Test
  void withoutItThereIsAJournal() throws Exception {
    assertThat(of(Map.of(), Map.of())).isNull();
    assertThat(of(Map.of("store", " "), Map.of())).isNull();
  }

  @Test
  void whoWeAreComesFromTheEnvironmentAndIsNotShown() throws Exception {
    EtcdHome h =
        of(
            Map.of("store", "etcd://h:1", "store_user", "u"),
            Map.of("INFINI_STORE_PASSWORD", "secret"));
    assertThat(h).isNotNull();
    assertThat(h.login()).isEqualTo(new Etcd.Login("u", "secret"));
    assertThat(h.toString()).doesNotContain("secret");
  }

  @ParameterizedTest
  @CsvSource({
    "h:1, '', '', (expected: etcd://HOST:PORT",
    "'', u, '', given without --store",
    "etcd://h:1, u, '', (expected: both or none)",
    "etcd://h:1, '', p, (expected: both or none)",
  })
  void whatDoesNotFitIsNamed(String store, String user, String password, String said) {
    assertThatThrownBy(() ->
            of(
                Map.of("store", store, "store_user", user),
                Map.of("INFINI_STORE_PASSWORD", password)))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(said);
  }
}
