package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EtcdAddressTest {
  @Test
  void membersPrefixAndTlsAreRead() {
    assertThat(EtcdAddress.parse("etcd://h1:2379, h2:2379,[::1]:2379/team/a"))
        .isEqualTo(new EtcdAddress(false, List.of("h1:2379", "h2:2379", "[::1]:2379"), "/team/a/"));
    assertThat(EtcdAddress.parse("etcds://h:1/"))
        .isEqualTo(new EtcdAddress(true, List.of("h:1"), "/infini/"));
    assertThat(EtcdAddress.parse("etcd://h:1/p/")).hasToString("etcd://h:1/p");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "h:1",
        "http://h:1",
        "etcd://",
        "etcd://h",
        "etcd://h:0",
        "etcd://h:70000",
        "etcd://h:1,",
        "etcd://h:1/a b",
        "etcd://h:1//",
        "etcd://u@h:1",
      })
  void anythingElseIsNamedWithWhatIsExpected(String text) {
    assertThatThrownBy(() -> EtcdAddress.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("(expected: etcd://HOST:PORT,HOST:PORT/PREFIX");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "etcd://u:secret@h:1",
        "etcd://h:1,u:secret@h:2/x",
        "etcd://a:secret@h:1,u:secret@h:2",
        "etcd://h:1,u:sec,secret/secret@h:2/x",
        "etc://h:1,u:secret@h:2",
        "h:1,u:secret@h:2",
      })
  void aPasswordInItIsNotRepeated(String text) {
    assertThatThrownBy(() -> EtcdAddress.parse(text))
        .hasMessageContaining("(expected: etcd://HOST:PORT,HOST:PORT/PREFIX")
        .hasMessageNotContaining("secret");
  }
}
