package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class RouterMetricsTest {
  private long nanos;
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return nanos;
        }

        @Override
        public java.time.Instant now() {
          return java.time.Instant.EPOCH;
        }
      };
  private final AtomicReference<RoutingTable> table = new AtomicReference<>(RoutingTable.EMPTY);
  private final Seats seats = new Seats(new Slots(), new Line<>(Line.Order.FIFO, 0, 1), 10, ticker);
  private final RouterMetrics metrics = new RouterMetrics(new Metrics(), table::get, seats, ticker);

  private static Instance instance(String name) {
    return new Instance(
        name, "h", 1, "http://h", List.of("m"), null, -1, 1, State.ROUTABLE, 0, Map.of());
  }

  private void here(String... names) {
    List<Instance> all = List.of(names).stream().map(RouterMetricsTest::instance).toList();
    table.set(new RoutingTable(new Fleet(1, all), List.of(), 0));
  }

  private void served(String name) {
    metrics.settled("m", Pool.ANY, instance(name), Reason.POLICY, Outcome.OK, 1, 1, 1);
  }

  private String scrape() {
    return new String(metrics.scrape(), UTF_8);
  }

  private void pass(Duration d) {
    nanos += d.toNanos();
  }

  /// L12: every name ever seen stayed for ever.
  @Test
  void seriesOfAnInstanceThatLeftAreDroppedAfterAnHour() {
    here("stays", "leaves");
    served("stays");
    served("leaves");
    metrics.refused(Outcome.CLIENT_ERROR);
    assertThat(metrics.series()).isEqualTo(3);
    here("stays");
    pass(Duration.ofMinutes(2));
    assertThat(scrape()).contains("instance=\"leaves\"");
    pass(Duration.ofMinutes(59));
    assertThat(scrape()).contains("instance=\"leaves\"");
    pass(Duration.ofMinutes(2));
    assertThat(scrape()).doesNotContain("leaves").contains("instance=\"stays\"");
    assertThat(metrics.series()).isEqualTo(2);
  }

  @Test
  void whoIsBackWithinTheHourKeepsItsSeries() {
    here("a");
    served("a");
    here();
    pass(Duration.ofMinutes(2));
    scrape();
    here("a");
    pass(Duration.ofMinutes(50));
    scrape();
    here();
    pass(Duration.ofMinutes(50));
    assertThat(scrape()).contains("instance=\"a\"");
  }

  @Test
  void namesThatComeAndGoDoNotPileUpWhereNobodyScrapes() {
    for (int k = 0; k < 1000; k++) {
      here("pod-" + k);
      served("pod-" + k);
      pass(Duration.ofMinutes(10));
    }
    assertThat(metrics.series()).isLessThan(20);
  }
}
