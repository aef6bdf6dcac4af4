package org.infinilm.svc.deploy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.history.UsageRow;
import org.infinilm.svc.history.UsageRow.By;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `infini usage` prints, and which file it finds.
class UsageProgramTest {
  @TempDir Path folder;

  private static final List<UsageRow> ROWS =
      List.of(
          new UsageRow(null, "", "m", 1200, 1, 2, 70_000L, 10L, 9L),
          new UsageRow(null, "al\u001bice", "m", 3, 0, 0, null, null, null));

  private static String printed(List<UsageRow> rows, Set<By> by, boolean json) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    UsageProgram.print(rows, by, json, new PrintStream(out, true, UTF_8));
    return out.toString(UTF_8);
  }

  @Test
  void theTableHasASumADashForWhatIsNotKnownAndNoControlCharacters() {
    assertThat(printed(ROWS, EnumSet.of(By.MODEL, By.KEY), false))
        .isEqualTo(
            """
            KEY     MODEL  REQUESTS  ERRORS  PROMPT  CACHED  COMPLETION
            -       m         1,200       1  70,000      10           9
            al?ice  m             3       0       -       -           -
            all               1,203       1  70,000      10           9
            """);
  }

  @Test
  void jsonIsReadBackAsItWas() {
    String json = printed(ROWS, EnumSet.of(By.KEY, By.MODEL), true);
    assertThat(json).contains("\"prompt_tokens\":null").doesNotContain("day");
    for (UsageRow r : ROWS) {
      assertThat(UsageRow.of(r.json())).isEqualTo(r);
    }
  }

  @Test
  void daysAndGroupsAreReadOrNamed() {
    LocalDate today = LocalDate.of(2026, 11, 28);
    assertThat(UsageRow.day("2026-11-01", today)).isEqualTo(LocalDate.of(2026, 11, 1));
    assertThat(UsageRow.day("7d", today)).isEqualTo(LocalDate.of(2026, 11, 21));
    assertThatThrownBy(() -> UsageRow.day("2026-13-01", today))
        .hasMessage(
            "since: 2026-13-01 (expected: a day as 2026-11-28, or a number of days as 7d, up to 99999d)");
    assertThat(By.of("model, DAY")).containsExactly(By.DAY, By.MODEL);
    assertThatThrownBy(() -> By.of(",model"))
        .hasMessage("by:  (expected: key, model, day, or several with commas)");
  }

  @Test
  void theHistoryOfTheOnlyDeploymentIsFoundOrOfTheOneThatRuns() throws Exception {
    Map<String, String> env = Map.of("XDG_STATE_HOME", folder.toString());
    assertThatThrownBy(() -> RunFolder.history(env, null))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("no history of a deployment in " + folder);
    Path one = made("8000", "history.db");
    assertThat(RunFolder.history(env, null)).isEqualTo(one);
    Path two = made("8001", "history.db");
    assertThatThrownBy(() -> RunFolder.history(env, null))
        .hasMessage("--router-port: missing (expected: one of 8000, 8001)");
    assertThat(RunFolder.history(env, 8001)).isEqualTo(two);
    made("8001", "state.json");
    assertThat(RunFolder.history(env, null)).isEqualTo(two);
    assertThat(RunFolder.history(env, 8000)).isEqualTo(one);
  }

  private Path made(String port, String name) throws Exception {
    Path dir = Files.createDirectories(folder.resolve("infini").resolve("run").resolve(port));
    return Files.writeString(dir.resolve(name), "");
  }
}
