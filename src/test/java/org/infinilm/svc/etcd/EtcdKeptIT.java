package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.ScriptedServer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Calls over kept connections to two members, of which the first ends a connection under a call.
@Timeout(60)
class EtcdKeptIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final String SAID =
      "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"1\"},\"ID\":\"5\",\"TTL\":\"10\"}";
  private static final String STATUS = "/v3/maintenance/status";

  private final Client http = Client.create();
  private final List<String> first = new CopyOnWriteArrayList<>();
  private final List<String> second = new CopyOnWriteArrayList<>();
  private ScriptedServer one;
  private ScriptedServer two;
  private Etcd etcd;

  /// The path under which the first connection ends when it comes again.
  private volatile String deadly = "";

  @BeforeEach
  void begin() throws IOException {
    one = new ScriptedServer((n, link) -> serve(n == 0, link, first));
    two = new ScriptedServer((n, link) -> serve(false, link, second));
    etcd =
        new Etcd(
            http,
            EtcdAddress.parse("etcd://" + one.address() + "," + two.address() + "/p"),
            null,
            Ticker.SYSTEM);
  }

  private void serve(boolean dies, ScriptedServer.Link link, List<String> heard)
      throws IOException {
    for (String path = link.request(); path != null; path = link.request()) {
      heard.add(path);
      if (dies && path.equals(deadly)) {
        return;
      }
      link.answer(SAID);
    }
  }

  @AfterEach
  void end() throws IOException {
    etcd.close();
    http.close();
    one.close();
    two.close();
  }

  @Test
  void whatOnlyReadsIsAskedAgainOfTheSameMember() throws Exception {
    etcd.put(new Op.Put("p/k", new byte[0], 0), SOON);
    deadly = "/v3/kv/range";
    assertThat(etcd.get("p/k", SOON)).isNull();
    assertThat(first).containsExactly("/v3/kv/put", deadly, deadly);
    assertThat(one.links()).hasSize(2);
    assertThat(second).isEmpty();
  }

  /// It may have been made: the caller's patience decides, as for any member that does not answer.
  @Test
  void whatChangesSomethingIsInDoubtAndTheNextMemberIsAsked() throws Exception {
    assertThat(etcd.get("p/k", SOON)).isNull();
    deadly = "/v3/kv/put";
    etcd.put(new Op.Put("p/k", new byte[0], 0), SOON);
    assertThat(first).containsExactly("/v3/kv/range", deadly);
    assertThat(second).containsExactly(deadly);
  }

  @Test
  void signsOfLifeAreGivenAgain() throws Exception {
    assertThat(etcd.get("p/k", SOON)).isNull();
    deadly = "/v3/lease/keepalive";
    assertThat(etcd.keepAlive(List.of(5L), SOON)).containsExactly(5L);
    assertThat(second).isEmpty();
  }

  /// A look tells whether a member can be reached, which a connection of before does not.
  @Test
  void aLookHasAConnectionOfItsOwn() throws Exception {
    assertThat(etcd.get("p/k", SOON)).isNull();
    assertThat(etcd.look(SOON)).isEmpty();
    assertThat(first).containsExactly("/v3/kv/range", STATUS);
    assertThat(one.links()).hasSize(2);
    await().atMost(SOON).until(() -> one.open() == 1 && two.open() == 0);
  }

  @Test
  void whatIsClosedLeavesNothingOpen() throws Exception {
    for (int k = 0; k < 10; k++) {
      assertThat(etcd.get("p/k", SOON)).isNull();
    }
    assertThat(one.open()).isEqualTo(1);
    etcd.close();
    await().atMost(SOON).until(() -> one.open() == 0);
  }

  @Test
  void aMemberThatIsGoneLeavesNothingOpen() throws Exception {
    assertThat(etcd.get("p/k", SOON)).isNull();
    one.close();
    assertThat(etcd.get("p/k", SOON)).isNull();
    assertThat(second).containsExactly("/v3/kv/range");
    two.close();
    assertThatThrownBy(() -> etcd.get("p/k", Duration.ofMillis(400)))
        .isInstanceOf(EtcdFailure.class);
    await().atMost(SOON).until(() -> one.open() + two.open() == 0);
  }
}
