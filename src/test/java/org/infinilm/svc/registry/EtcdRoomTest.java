package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.junit.jupiter.api.Test;

class EtcdRoomTest {
  private final List<Boolean> edges = new ArrayList<>();
  private final EtcdRoom room =
      new EtcdRoom(EtcdAddress.parse("etcd://127.0.0.1:1/p"), this::changed);

  private void changed() {
    edges.add(room.isFull());
  }

  private void failed(Kind kind) {
    room.answered(new EtcdFailure(kind, kind.toString()));
  }

  @Test
  void onlyASignOfLifeThatIsTakenTellsOfRoom() {
    room.answered(null);
    failed(Kind.AWAY);
    assertThat(room.isFull()).isFalse();
    failed(Kind.FULL);
    assertThat(room.isFull()).isTrue();
    failed(Kind.AWAY);
    failed(Kind.NO_SUCH_LEASE);
    failed(Kind.CREDENTIALS);
    failed(Kind.FULL);
    assertThat(room.isFull()).as("nothing was taken").isTrue();
    assertThat(edges).containsExactly(true);
    room.answered(null);
    room.answered(null);
    assertThat(room.isFull()).isFalse();
    assertThat(edges).as("each edge once, when it is true").containsExactly(true, false);
  }
}
