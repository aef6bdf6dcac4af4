package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.router.Decisions.Decision;
import org.junit.jupiter.api.Test;

/// What a tick of `/events` tells of what is new.
class LiveTest {
  /// Newest first.
  private static List<Decision> ring(int newest, int n) {
    List<Decision> out = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      SampleDecision d = new SampleDecision();
      d.sequence = (long) newest - k;
      out.add(d.make());
    }
    return out;
  }

  @Test
  void allThatIsNewIsToldWhereItCanBeRead() {
    assertThat(Live.fresh(ring(999, 1000), 1000 - Live.MOST_ROWS_A_TICK))
        .extracting(Decision::sequence)
        .hasSize(Live.MOST_ROWS_A_TICK)
        .startsWith(999L, 998L)
        .endsWith(1000L - Live.MOST_ROWS_A_TICK);
  }

  @Test
  void ofTooManySomeAreToldFromAllOverTheSecond() {
    List<Long> told =
        Live.fresh(ring(9_999, 4_096), 9_000).stream().map(Decision::sequence).toList();
    assertThat(told).hasSize(Live.ROWS_OF_MANY).startsWith(9_999L).allMatch(s -> s >= 9_000);
    for (int k = 1; k < told.size(); k++) {
      assertThat(told.get(k - 1) - told.get(k)).as("newest first, evenly").isEqualTo(20);
    }
  }
}
