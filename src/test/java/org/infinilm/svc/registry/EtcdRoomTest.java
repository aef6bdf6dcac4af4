package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EtcdRoomTest {
  private final List<Boolean> edges = new ArrayList<>();
  private final EtcdRoom room =
      new EtcdRoom(EtcdAddress.parse("etcd://127.0.0.1:1/p"), false, this::changed);

  private void changed() {
    edges.add(room.takesNone());
  }

  private void failed(Kind kind) {
    failed(room, kind);
  }

  private static void failed(EtcdRoom room, Kind kind) {
    room.answered(new EtcdFailure(kind, kind.toString()));
  }

  @Test
  void onlyASignOfLifeThatIsTakenTellsOfRoom() {
    room.answered(null);
    failed(Kind.AWAY);
    assertThat(room.takesNone()).isFalse();
    failed(Kind.FULL);
    assertThat(room.takesNone()).isTrue();
    failed(Kind.AWAY);
    failed(Kind.NO_SUCH_LEASE);
    failed(Kind.FULL);
    assertThat(room.takesNone()).as("nothing was taken").isTrue();
    assertThat(edges).containsExactly(true);
    room.answered(null);
    room.answered(null);
    assertThat(room.takesNone()).isFalse();
    assertThat(edges).as("each edge once, when it is true").containsExactly(true, false);
  }

  @ParameterizedTest
  @EnumSource(names = {"DENIED", "CREDENTIALS"})
  void whoMayNotWriteIsHeardByNobodyAndSaysSo(Kind kind) {
    assertThatNoException().isThrownBy(room::requireWriting);
    failed(kind);
    assertThat(room.takesNone()).isTrue();
    assertThat(room.ails()).contains("refuses our user, or what it writes");
    assertThatThrownBy(room::requireWriting).hasMessageContaining("etcd://127.0.0.1:1/p");
    failed(Kind.AWAY);
    failed(Kind.FULL);
    assertThat(room.ails()).contains("no room");
    assertThatNoException().as("nor may any other").isThrownBy(room::requireWriting);
    failed(kind);
    room.answered(null);
    assertThat(room.ails()).isNull();
    assertThatNoException().isThrownBy(room::requireWriting);
    assertThat(edges).containsExactly(true, false);
  }

  /// An etcd with another alarm than that of its room answers, and no watch tells what.
  @Test
  void whatEtcdSaysOtherwiseIsKeptUntilASignIsTaken() {
    failed(Kind.AWAY);
    assertThat(room.said()).as("it said nothing").isNull();
    room.answered(new EtcdFailure(Kind.OTHER, "etcd h:1: corrupt cluster"));
    failed(Kind.AWAY);
    assertThat(room.said()).isEqualTo("etcd h:1: corrupt cluster");
    assertThat(room.takesNone()).isFalse();
    room.answered(null);
    assertThat(room.said()).isNull();
    assertThat(edges).isEmpty();
  }

  /// Which hears registries whether it may leave notes or not.
  @Test
  void aRouterThatMayNotWriteHearsAllTheSame() {
    EtcdRoom router = new EtcdRoom(EtcdAddress.parse("etcd://127.0.0.1:1/p"), true, this::changed);
    failed(router, Kind.DENIED);
    failed(router, Kind.CREDENTIALS);
    assertThat(router.takesNone()).isFalse();
    failed(router, Kind.FULL);
    assertThat(router.takesNone()).isTrue();
  }
}
