package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.List;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.junit.jupiter.api.Test;

/// The keeper's picture of the fleet is made of what changed.
class FleetPictureTest extends KeeperRig {
  /// Probes that change nothing for routing make no table, and are to be seen all the same.
  @Test
  void whatAProbeFoundIsSeenSoonAndMakesNoTable() {
    keeper.tell(new Report.Fixed(List.of(known("a", "10.0.0.1", 80), known("b", "10.0.0.2", 80))));
    await().atMost(SOON).until(() -> keeper.views().size() == 2);
    RoutingTable before = keeper.table();
    FleetKeeper.View other = keeper.views().getLast();
    for (int k = 1; k <= 200; k++) {
      keeper.tell(new Report.Up("a", k, true));
    }
    await().atMost(SOON).until(() -> keeper.views().getFirst().probeSeconds() == 200);
    assertThat(keeper.table()).isSameAs(before);
    assertThat(keeper.views().getLast()).isSameAs(other);
  }

  /// Event loops read of an instance what was reported of it alone, whoever else was not reported
  /// of.
  @Test
  void whatIsReportedOfOneReachesItsSlot() {
    keeper.tell(new Report.Fixed(List.of(known("a", "10.0.0.1", 80), known("b", "10.0.0.2", 80))));
    await().atMost(SOON).until(() -> keeper.table().fleet().routable() == 2);
    Instance b = keeper.table().fleet().instances().getLast();
    keeper.tell(new Report.Up("a", 1, true));
    keeper.tell(new Report.Down("b", "why", false, null));
    await().atMost(SOON).until(() -> slots.at(b.slot()).doubted);
    assertThat(slots.at(keeper.table().fleet().instances().getFirst().slot()).doubted).isFalse();
    keeper.tell(new Report.Up("b", 1, true));
    await().atMost(SOON).until(() -> !slots.at(b.slot()).doubted);
  }
}
