package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.FleetKeeper.View;
import org.junit.jupiter.api.Test;

/// Who is probed when there are more than can be probed at once.
class ProbeTimesTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long ROUND = SECOND / 10;
  private static final int STARTS = 64;

  private final ProbeTimes times = new ProbeTimes(5 * SECOND, SECOND, new SplittableRandom(1));
  private final Map<String, Integer> probes = new HashMap<>();
  private final Map<String, Long> last = new HashMap<>();
  private final Map<String, Long> longestGap = new HashMap<>();

  private static View view(String name, boolean suspect) {
    Known k =
        new Known(
            name,
            "h",
            1,
            "http://h:1",
            List.of("m"),
            null,
            Map.of(),
            1,
            true,
            true,
            false,
            null,
            null);
    Instance i =
        new Instance(
            name, "h", 1, "http://h:1", List.of("m"), null, -1, 1, State.ROUTABLE, 0, Map.of());
    return new View(i, 0, 0, suspect, false, false, k, null, false, "");
  }

  private static List<View> suspects(int n) {
    List<View> out = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      out.add(view("a%05d".formatted(k), true));
    }
    return out;
  }

  /// Rounds in which only so many can begin.
  private void rounds(List<View> views, int seconds) {
    for (long now = 0; now < seconds * SECOND; now += ROUND) {
      int begun = 0;
      for (View v : times.due(views, now)) {
        if (begun++ < STARTS) {
          times.started(v, now);
          String name = v.instance().name();
          probes.merge(name, 1, Integer::sum);
          Long before = last.put(name, now);
          longestGap.merge(name, before == null ? now : now - before, Math::max);
        }
      }
    }
  }

  /// The first in the order of names took every place, for ever.
  @Test
  void manySuspectsDoNotStarveWhoComesAfterThem() {
    List<View> all = suspects(1500);
    all.add(view("z", false));
    rounds(all, 60);
    assertThat(longestGap.get("z")).isLessThan(9 * SECOND);
    assertThat(longestGap.values()).allMatch(gap -> gap < 9 * SECOND);
    assertThat(probes).hasSize(1501);
  }

  @Test
  void fiveThousandDeadOnesAreEachProbedThriceInTwentyFiveSeconds() {
    rounds(suspects(5000), 25);
    assertThat(probes).hasSize(5000);
    assertThat(probes.values()).allMatch(n -> n >= 3);
  }

  @Test
  void eachHasItsOwnTimeAndASuspectAnEarlierOne() {
    View well = view("w", false);
    assertThat(times.due(List.of(well), 0)).as("who is new").containsExactly(well);
    times.started(well, 0);
    assertThat(times.due(List.of(well), 4 * SECOND)).isEmpty();
    assertThat(times.due(List.of(well), 6 * SECOND)).containsExactly(well);
    times.started(well, 6 * SECOND);
    View suspect = view("w", true);
    assertThat(times.due(List.of(suspect), 7 * SECOND)).isEmpty();
    assertThat(times.due(List.of(suspect), 8 * SECOND)).containsExactly(suspect);
    View other = view("a", false);
    assertThat(times.due(List.of(other, suspect), 9 * SECOND)).containsExactly(suspect, other);
    times.keepOnly(Set.of("a"));
    assertThat(times.size()).isEqualTo(1);
  }
}
