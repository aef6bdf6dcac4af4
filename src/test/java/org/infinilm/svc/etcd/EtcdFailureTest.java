package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EtcdFailureTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "3 | etcdserver: revision of auth store is old | CREDENTIALS",
        "3 | etcdserver: authentication failed, invalid user ID or password | CREDENTIALS",
        "3 | etcdserver: user name is empty | CREDENTIALS",
        "16 | etcdserver: invalid auth token | CREDENTIALS",
        "7 | etcdserver: permission denied | DENIED",
        "3 | etcdserver: request is too large | TOO_LARGE",
        "5 | etcdserver: requested lease not found | NO_SUCH_LEASE",
        "8 | etcdserver: mvcc: database space exceeded | FULL",
        "8 | etcdserver: too many requests | AWAY",
        "8 | etcdserver: too many operations in flight | AWAY",
        "9 | etcdserver: lease already exists | LEASE_EXISTS",
        "11 | etcdserver: mvcc: required revision has been compacted | COMPACTED",
        "14 | etcdserver: no leader | AWAY",
        "1 | grpc: the client connection is closing | AWAY",
        "1 | context canceled | AWAY",
        "3 | etcdserver: key is not provided | OTHER",
      })
  void whatEtcdSaysHasAKind(int code, String said, Kind kind) {
    assertThat(EtcdFailure.kind(code, said)).isEqualTo(kind);
  }

  private static EtcdFailure refused(String said) {
    return EtcdFailure.refused("h:1", 400, said.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void whatIsNoJsonIsToldInOneShortLine() {
    assertThat(refused("<html>\n  <b>no</b>\u0007 such page").getMessage())
        .isEqualTo(
            "etcd h:1: status 400, '<html> <b>no</b> such page' (expected: an etcd with its JSON gateway)");
    assertThat(refused("x".repeat(100_000)).getMessage()).hasSizeLessThan(400).contains("...'");
    assertThat(refused("").getMessage())
        .isEqualTo("etcd h:1: status 400 (expected: an etcd with its JSON gateway)");
  }

  /// In text/plain, by an etcd whose gateway is there and whose authentication is on.
  @Test
  void aCertificateWithACommonNameIsNamedForWhatItIs() {
    EtcdFailure e =
        refused(
            "CommonName of client sending a request against gateway will be ignored and not used as expected");
    assertThat(e.getMessage())
        .contains("CommonName of client", "a client certificate without a common name")
        .doesNotContain("an etcd with its JSON gateway");
    assertThat(e.kind()).isEqualTo(Kind.OTHER);
  }
}
