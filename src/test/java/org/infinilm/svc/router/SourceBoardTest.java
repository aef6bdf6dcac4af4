package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.time.Instant;
import java.util.List;
import org.infinilm.svc.router.Happenings.Happening;
import org.infinilm.svc.router.SourceBoard.State;
import org.infinilm.svc.router.SourceBoard.Status;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// What is known of the sources of instances, without sources.
class SourceBoardTest {
  private static final String URL = "http://r:18000";

  private long seconds = 1_800_000_000;
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return seconds * 1_000_000_000;
        }

        @Override
        public Instant now() {
          return Instant.ofEpochSecond(seconds);
        }
      };
  private final Happenings happenings = new Happenings(ticker);
  private final SourceBoard board = new SourceBoard(happenings, ticker);

  private Status only() {
    assertThat(board.statuses()).hasSize(1);
    return board.statuses().getFirst();
  }

  @Test
  void aRegistryThatGoesAwayIsDownWithItsCauseAndKeepsWhatItListed() {
    SourceBoard.Track t = board.track(URL, Known.REGISTRY);
    assertThat(only().state()).isEqualTo(State.WAITING);
    assertThat(only().instances()).isNull();
    assertThat(only().ageSeconds(ticker.now())).isNull();
    t.listed(3, true, List.of());
    assertThat(only().state()).isEqualTo(State.UP);
    seconds += 5;
    t.listed(3, false, List.of());
    assertThat(only().changed()).isEqualTo(ticker.now().minusSeconds(5));
    for (int k = 0; k < 4; k++) {
      seconds += 10;
      t.away("refused, try " + k);
    }
    assertThat(only().state()).isEqualTo(State.DOWN);
    assertThat(only().instances()).isEqualTo(3);
    assertThat(only().ageSeconds(ticker.now())).isEqualTo(40);
    assertThat(only().failures()).as("one outage").isEqualTo(1);
    assertThat(only().failed()).isEqualTo(ticker.now().minusSeconds(30));
    assertThat(only().error()).isEqualTo("refused, try 3");
    t.listed(2, true, List.of());
    assertThat(only().state()).isEqualTo(State.UP);
    assertThat(only().error()).as("the last one stays to be seen").isEqualTo("refused, try 3");
    assertThat(only().troubles()).isEmpty();
    assertThat(happenings.since(0))
        .extracting(Happening::instance, Happening::before, Happening::state, Happening::why)
        .containsExactly(
            tuple("(" + URL + ")", "up", "down", "refused, try 0"),
            tuple("(" + URL + ")", "down", "up", ""));
  }

  @Test
  void aSourceThatNeverListedAnythingIsDownAndOneThatDidIsInTrouble() {
    SourceBoard.Track t = board.track("folder:/x", "folder");
    t.troubles(List.of("/x: no such folder"));
    assertThat(only().state()).isEqualTo(State.DOWN);
    t.listed(1, true, List.of("/x: no such folder"));
    assertThat(only().state()).isEqualTo(State.TROUBLED);
    t.troubles(List.of());
    assertThat(only().state()).isEqualTo(State.UP);
    t.troubles(List.of("/x/a.toml: port"));
    assertThat(only().state()).isEqualTo(State.TROUBLED);
    assertThat(only().failures()).isEqualTo(2);
  }

  @Test
  void whatIsNotForAllIsNotTold() {
    board.track("folder:/x", "folder").troubles(List.of("/x: no such folder"));
    assertThat(only().told(false, ticker.now()).toString()).doesNotContain("no such folder");
    assertThat(only().told(true, ticker.now()))
        .containsEntry("error", "/x: no such folder")
        .containsEntry("error_age_seconds", 0.0)
        .containsEntry("state", "down");
  }

  @Test
  void instancesOfTheSettingsAreASourceAsWell() {
    board.track(URL, Known.REGISTRY).listed(1, true, List.of());
    assertThat(board.statuses(List.of("registry", "settings", "settings", "admin")))
        .extracting(Status::source, Status::instances)
        .containsExactly(tuple(URL, 1), tuple("settings", 2), tuple("admin", 1));
    assertThat(board.statuses(List.of("registry"))).hasSize(1);
  }
}
