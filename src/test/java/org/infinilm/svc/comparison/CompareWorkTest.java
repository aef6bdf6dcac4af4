package org.infinilm.svc.comparison;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.results.ResultBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Sides that were sent the same and did not do the same work.
class CompareWorkTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private void compare() throws Exception {
    int exit =
        Compare.run(
            Arguments.of(
                Compare.PROGRAM,
                Map.of(),
                List.of(folder + "/paged-*", folder + "/static-*"),
                Map.of()),
            io.out,
            io.err);
    assertThat(exit).as(io.complained()).isZero();
  }

  /// Three runs of a hundred requests.
  private void runs(String side, String key, Object value, LongToDoubleFunction seconds)
      throws Exception {
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(100, side.hashCode() + k, 0.05, seconds)
          .with("date", "2026010" + (k + 1) + "-000000")
          .with(key, value)
          .write(folder, side + "-" + k + ".json");
    }
  }

  @Test
  void answersOfOtherLengthsAreNotTheSameWork() throws Exception {
    runs("paged", "total_output_tokens", 1000, size -> size / 20_000.0);
    runs("static", "total_output_tokens", 100, size -> size / 40_000.0);
    compare();
    assertThat(io.printed())
        .contains("warning: paged and static: answers of 10.00 and 1.000 tokens on average")
        .contains("Paged Cache: better in 0 of 9", "Static Cache: better in 0 of 9")
        .contains("untested: 9")
        .contains("nothing is claimed: their answers differ in length")
        .contains("no verdict by size: answers of other lengths")
        .containsPattern("Mean TTFT \\(ms\\) .* -\\d\\d\\.\\d to -\\d\\d\\.\\d % +untested")
        .doesNotContain(" wins ");
  }

  @ParameterizedTest
  @ValueSource(ints = {905, 1000, 1105})
  void answersOfAboutOneLengthAre(int tokens) throws Exception {
    runs("paged", "total_output_tokens", 1000, size -> size / 20_000.0);
    runs("static", "total_output_tokens", tokens, size -> size / 40_000.0);
    compare();
    assertThat(io.printed())
        .contains("TTFT: static wins at every size")
        .doesNotContain("answers of ");
  }

  /// Old files do not say how many tokens came, and have both throughputs.
  @Test
  void theThroughputsTellTheLengthOfTheAnswersToo() throws Exception {
    runs("paged", "output_throughput", 10.0, size -> size / 20_000.0);
    runs("static", "output_throughput", 40.0, size -> size / 40_000.0);
    compare();
    assertThat(io.printed())
        .contains("answers of 1.000 and 4.000 tokens on average")
        .doesNotContain(" wins ");
  }

  @Test
  void requestsThatARunTellsNothingOfAreNoSuccesses() throws Exception {
    runs("paged", "num_prompts", 100, size -> size / 20_000.0);
    runs("static", "num_prompts", 100, size -> size / 40_000.0);
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(100, k, 0.05, size -> size / 40_000.0)
          .with("completed", 10)
          .write(folder, "static-" + k + ".json");
    }
    compare();
    assertThat(io.printed())
        .contains("static-0.json: 90.0 % of its requests are told neither as answered nor as")
        .contains("better in 0 of 9")
        .doesNotContain(" wins ");
  }
}
