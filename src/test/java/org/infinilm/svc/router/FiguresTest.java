package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What the page is told of the ring of decisions.
class FiguresTest {
  private static final long NOW = 1_000_000;
  private static final long MS = 1_000_000;

  private static Decision at(
      long millis,
      @Nullable String instance,
      Outcome outcome,
      long ttftMillis,
      long totalMillis,
      @Nullable Usage usage,
      int events) {
    SampleDecision d = new SampleDecision();
    d.requestId = "id-" + millis;
    d.epochMillis = millis;
    d.endNanos = millis * MS;
    d.pool = Pool.PAGED;
    d.instance = instance;
    d.reason = Reason.SIZE;
    d.outcome = outcome;
    d.status = outcome == Outcome.OK ? 200 : 502;
    d.ttftNanos = ttftMillis * MS;
    d.totalNanos = totalMillis * MS;
    d.usage = usage;
    d.events = events;
    return d.make();
  }

  @Test
  void percentilesAreOfTheLastMinuteByNearestRank() {
    List<Decision> all = new ArrayList<>();
    all.add(at(NOW - Figures.WINDOW_NANOS / MS - 1, "a", Outcome.OK, 900_000, 900_000, null, 0));
    for (int k = 1; k <= 100; k++) {
      all.add(at(NOW - k, "a", Outcome.OK, k, k, null, 0));
    }
    Figures.Of a = Figures.by(all, NOW * MS, Decision::instance).get("a");
    assertThat(a.requests()).isEqualTo(100);
    assertThat(a.ttft().p50()).isEqualTo(0.050);
    assertThat(a.ttft().p95()).isEqualTo(0.095);
    assertThat(a.tpot()).isEqualTo(Figures.Spread.NONE);
    assertThat(a.cachedShare()).as("no usage told").isNull();
  }

  /// The clock went back by an hour, or forward: what is of the last minute is no matter of it.
  @ParameterizedTest
  @ValueSource(longs = {-3_600_000, 3_600_000})
  void aClockThatIsSetChangesNothingOfTheLastMinute(long millis) {
    SampleDecision fresh = new SampleDecision();
    fresh.instance = "a";
    fresh.epochMillis = NOW + millis;
    fresh.endNanos = NOW * MS - 1;
    SampleDecision old = new SampleDecision();
    old.instance = "a";
    old.outcome = Outcome.UPSTREAM_GONE;
    old.epochMillis = NOW - millis;
    old.endNanos = NOW * MS - Figures.WINDOW_NANOS - 1;
    Figures.Of a =
        Figures.by(List.of(fresh.make(), old.make()), NOW * MS, Decision::instance).get("a");
    assertThat(a.requests()).isEqualTo(1);
    assertThat(a.errors()).isZero();
  }

  @Test
  void errorsAreNobodysWhoLeftOrAskedWrongly() {
    List<Decision> all =
        List.of(
            at(NOW, "a", Outcome.CLIENT_GONE, 0, 1, null, 0),
            at(NOW, "a", Outcome.CLIENT_ERROR, 0, 1, null, 0),
            at(NOW, "a", Outcome.UPSTREAM_GONE, 0, 1, null, 0),
            at(NOW, null, Outcome.REJECTED, 0, 1, null, 0));
    Map<String, Figures.Of> by = Figures.by(all, NOW * MS, Decision::instance);
    assertThat(by).containsOnlyKeys("a");
    assertThat(by.get("a").errors()).isEqualTo(1);
    assertThat(by.get("a").ttft().n()).as("only answers count").isZero();
  }

  @Test
  void timePerTokenIsOfTheTokensToldElseOfEvents() {
    Decision told = at(NOW, "a", Outcome.OK, 100, 1100, new Usage(5, 11, 0), 4);
    assertThat(told.tpotNanos()).isEqualTo(100 * MS);
    assertThat(at(NOW, "a", Outcome.OK, 100, 1100, null, 11).tpotNanos()).isEqualTo(100 * MS);
    assertThat(at(NOW, "a", Outcome.OK, 100, 1100, new Usage(5, 11, 0), 0).tpotNanos())
        .as("an answer that came whole has none")
        .isZero();
    assertThat(at(NOW, "a", Outcome.OK, 0, 1100, null, 11).tpotNanos()).isZero();
  }

  @Test
  void errorsAlikeAreOneGroupWithFirstAndLast() {
    List<Decision> newestFirst =
        List.of(
            at(NOW, "a", Outcome.UPSTREAM_GONE, 0, 1, null, 0),
            at(NOW - 5, null, Outcome.REJECTED, 0, 1, null, 0),
            at(NOW - 9, "a", Outcome.UPSTREAM_GONE, 0, 1, null, 0));
    assertThat(Figures.errors(newestFirst))
        .containsExactly(
            new Figures.Errors("a", Outcome.UPSTREAM_GONE, 502, null, 2, NOW - 9, NOW, "id-" + NOW),
            new Figures.Errors(
                null, Outcome.REJECTED, 502, null, 1, NOW - 5, NOW - 5, "id-" + (NOW - 5)));
  }
}
