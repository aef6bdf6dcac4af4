package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
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
    settled(name, null, null);
  }

  private void settled(String name, @Nullable Usage usage, @Nullable Tape tape) {
    metrics.settled(decision(name, usage, tape == null ? 0 : 11), instance(name), tape);
  }

  private static Decision decision(String name, @Nullable Usage usage, int events) {
    SampleDecision d = new SampleDecision();
    d.pool = Pool.ANY;
    d.instance = name;
    d.reason = Reason.SPILL;
    d.queueNanos = 500_000_000;
    d.ttftNanos = 1_000_000_000;
    d.totalNanos = 2_000_000_000;
    d.requestBytes = 1;
    d.responseBytes = 1;
    d.usage = usage;
    d.events = events;
    return d.make();
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
    assertThat(metrics.series()).hasSize(3);
    here("stays");
    pass(Duration.ofMinutes(2));
    assertThat(scrape()).contains("instance=\"leaves\"");
    pass(Duration.ofMinutes(59));
    assertThat(scrape()).contains("instance=\"leaves\"");
    pass(Duration.ofMinutes(2));
    assertThat(scrape()).doesNotContain("leaves").contains("instance=\"stays\"");
    assertThat(metrics.series()).hasSize(2);
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
    assertThat(metrics.series()).hasSizeLessThan(20);
  }

  /// The histograms had no labels, so that the two pools could not be told apart.
  @Test
  void whatARequestTookIsToldByModelPoolAndInstance() {
    here("a", "b");
    Tape tape = Tape.take();
    tape.gap(3_000_000);
    tape.gap(40_000_000);
    settled("a", new Usage(100, 11, 60), tape);
    settled("b", null, null);
    String text = scrape();
    for (String line :
        List.of(
            "infini_router_ttft_seconds_count{instance=\"a\",model=\"m\",pool=\"any\"} 1",
            "infini_router_ttft_seconds_count{instance=\"b\",model=\"m\",pool=\"any\"} 1",
            "infini_router_request_seconds_sum{instance=\"a\",model=\"m\",pool=\"any\"} 2.0",
            "infini_router_queue_seconds_sum{instance=\"a\",model=\"m\",pool=\"any\"} 0.5",
            "infini_router_tpot_seconds_sum{instance=\"a\",model=\"m\",pool=\"any\"} 0.1",
            "infini_router_itl_seconds_bucket{instance=\"a\",model=\"m\",pool=\"any\",le=\"0.005\"} 1",
            "infini_router_itl_seconds_count{instance=\"a\",model=\"m\",pool=\"any\"} 2",
            "infini_router_itl_seconds_sum{instance=\"a\",model=\"m\",pool=\"any\"} 0.043",
            "infini_router_tokens_total{instance=\"a\",kind=\"cached\",model=\"m\",pool=\"any\"} 60.0",
            "infini_router_tokens_total{instance=\"a\",kind=\"completion\",model=\"m\",pool=\"any\"} 11.0",
            "infini_router_tokens_total{instance=\"a\",kind=\"prompt\",model=\"m\",pool=\"any\"} 100.0",
            "infini_router_spills_total{instance=\"a\",model=\"m\",pool=\"any\"} 1.0")) {
      assertThat(text).contains(line);
    }
    assertThat(text)
        .doesNotContain("infini_router_itl_seconds_count{instance=\"b\"")
        .doesNotContain("infini_router_tokens_total{instance=\"b\"");
    here("b");
    pass(Duration.ofMinutes(2));
    scrape();
    pass(Duration.ofHours(2));
    assertThat(scrape()).doesNotContain("instance=\"a\"").contains("instance=\"b\"");
  }

  /// Recording must cost the request path nothing: this counts its allocated bytes.
  @Test
  void recordingASettledRequestAllocatesNothing() {
    here("a");
    Decision d = decision("a", new Usage(100, 11, 60), 11);
    Instance a = instance("a");
    Tape tape = Tape.take();
    tape.gap(3_000_000);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    // once compiled; when that is, is the JVM's to say
    long allocated = Long.MAX_VALUE;
    for (int round = 0; round < 500 && allocated > 10_000; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int k = 0; k < 10_000; k++) {
        metrics.settled(d, a, tape);
      }
      allocated = threads.getCurrentThreadAllocatedBytes() - before;
    }
    assertThat(allocated).isLessThan(10_000L);
  }
}
