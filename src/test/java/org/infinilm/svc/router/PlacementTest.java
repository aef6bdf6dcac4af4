package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class PlacementTest {
  private final Slots slots = new Slots();
  private final Seats seats =
      new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, Ticker.SYSTEM);

  /// A policy that would rather have waited loses its request otherwise, though a place was free.
  @Test
  void whoWaitedByChoiceGoesToAFreePlaceBeforeItIsRefused() {
    Instance paged = AdmissionTest.instance("p", 0, State.ROUTABLE, CacheType.PAGED, 0);
    Instance fixed = AdmissionTest.instance("s", 1, State.ROUTABLE, CacheType.STATIC, 1);
    Fleet fleet = new Fleet(1, List.of(paged, fixed));
    seats.follow(fleet, () -> {});
    Candidates all = Objects.requireNonNull(fleet.forModel("m"));
    assertThat(seats.tryTake(fixed)).isTrue();
    Choice.Wait strict = new Choice.Wait(Pool.STATIC, Reason.SIZE, List.of(fixed));
    assertThat(Placement.idle(all, seats, strict)).as("the rule's pool alone").isEmpty();
    Choice.Wait rather = new Choice.Wait(strict.ways(), 1);
    assertThat(Placement.idle(all, seats, rather)).containsExactly(paged);
  }
}
