package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.etcd.EtcdFailure.Kind;
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
        "7 | etcdserver: permission denied | CREDENTIALS",
        "3 | etcdserver: request is too large | TOO_LARGE",
        "5 | etcdserver: requested lease not found | NO_SUCH_LEASE",
        "8 | etcdserver: mvcc: database space exceeded | FULL",
        "8 | etcdserver: too many requests | AWAY",
        "8 | etcdserver: too many operations in flight | AWAY",
        "9 | etcdserver: lease already exists | LEASE_EXISTS",
        "11 | etcdserver: mvcc: required revision has been compacted | COMPACTED",
        "14 | etcdserver: no leader | AWAY",
        "3 | etcdserver: key is not provided | OTHER",
      })
  void whatEtcdSaysHasAKind(int code, String said, Kind kind) {
    assertThat(EtcdFailure.kind(code, said)).isEqualTo(kind);
  }
}
