package org.infinilm.svc.comparison;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.results.ResultBuilder;
import org.infinilm.svc.results.ResultRequest;
import org.infinilm.svc.results.TimeKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CompareTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private int run(Map<String, String> flags, Map<String, List<String>> repeated, String... files)
      throws Exception {
    return Compare.run(
        Arguments.of(Compare.PROGRAM, flags, List.of(files), repeated), io.out, io.err);
  }

  @Test
  void positionalFilesAreToldApartByName() throws Exception {
    String p = ResultBuilder.old(100, 10).with("failed", 1).write(folder, "paged-cache-1.json");
    String s = ResultBuilder.old(150, 8).write(folder, "static-cache-1.json");
    assertThat(run(Map.of(), Map.of(), s, p)).isZero();
    assertThat(io.printed())
        .contains("Cache Type Comparison: Paged vs Static")
        .contains("File: " + p)
        .contains("File: " + s)
        .contains("Date: 20260101-000000")
        .contains("Completed: 16")
        .contains("Failed: 1")
        .contains("Performance Comparison")
        .contains("+50.00 %")
        .contains("-20.00 %")
        .contains("Summary")
        .contains("Note: ");
  }

  @Test
  void oneRunWithoutRequestsClaimsNothing() throws Exception {
    String p = ResultBuilder.old(100, 10).write(folder, "paged-cache-1.json");
    String s = ResultBuilder.old(150, 8).write(folder, "static-cache-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed())
        .contains("Paged Cache: better in 0 of 9\n")
        .contains("Ties: 0, untested: 9")
        .contains("nothing is claimed")
        .contains("no verdict by size: no file with the size and time of each request");
  }

  @Test
  void repeatedRunsThatAgreeGiveAWinner() throws Exception {
    for (int i = 0; i < 4; i++) {
      String date = "2026010" + (i + 1) + "-000000";
      ResultBuilder.old(100 + i, 10 - 0.01 * i)
          .with("date", date)
          .write(folder, "paged-" + i + ".json");
      ResultBuilder.old(150 + i, 8 - 0.01 * i)
          .with("date", date)
          .write(folder, "static-" + i + ".json");
    }
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*.json", folder + "/static-*.json"))
        .isZero();
    assertThat(io.printed())
        .contains("paged-3.json (newest of 4 runs)")
        .contains("Completed: 64 in 4 runs")
        .contains("Paged Cache: better in 7 of 9:")
        .contains("P99 has no interval below 368 answered requests a run.")
        .contains("Welch's t");
  }

  @Test
  void repeatedRunsThatScatterAreATie() throws Exception {
    double[] paged = {100, 160, 90, 150};
    double[] still = {130, 110, 170, 120};
    for (int i = 0; i < 4; i++) {
      ResultBuilder.old(paged[i], paged[i]).write(folder, "paged-" + i + ".json");
      ResultBuilder.old(still[i], still[i]).write(folder, "static-" + i + ".json");
    }
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*.json", folder + "/static-*.json"))
        .isZero();
    assertThat(io.printed())
        .contains("Ties: 7, untested: 2")
        .contains("no difference beyond the noise");
  }

  /// Three runs a side.
  private void runs(String side, int n, double noise, LongToDoubleFunction seconds)
      throws Exception {
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(n, side.hashCode() + k, noise, seconds)
          .with("date", "2026010" + (k + 1) + "-000000")
          .write(folder, side + "-" + k + ".json");
    }
  }

  @Test
  void staticWinsAboveASizeThatIsFoundFromTheRequests() throws Exception {
    runs("paged", 200, 0.1, size -> size / 20_000.0);
    runs("static", 200, 0.1, size -> size / (size > 30_000 ? 40_000.0 : 20_000.0));
    assertThat(run(Map.of("json", "true"), Map.of(), folder + "/paged-*", folder + "/static-*"))
        .isZero();
    JsonNode ttft = Json.tree(io.printed().getBytes(StandardCharsets.UTF_8)).at("/by_size/0");
    assertThat(ttft.get("verdict").asText()).contains("static wins above ").contains(" bytes by ");
    assertThat(ttft.get("cut").longValue()).isBetween(27_000L, 33_000L);
    assertThat(ttft.at("/above_cut/change_percent").doubleValue()).isBetween(-55.0, -45.0);
    assertThat(ttft.at("/up_to_cut/change_percent").doubleValue()).isBetween(-6.0, 6.0);
    JsonNode tpot = Json.tree(io.printed().getBytes(StandardCharsets.UTF_8)).at("/by_size/1");
    assertThat(tpot.get("verdict").asText()).contains("no difference beyond the noise");
  }

  @Test
  void aSideThatIsFasterThroughoutWinsAtEverySize() throws Exception {
    runs("paged", 100, 0.05, size -> size / 20_000.0);
    runs("static", 100, 0.05, size -> size / 10_000.0);
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-*")).isZero();
    assertThat(io.printed())
        .containsPattern("TTFT: paged wins at every size by (49|50|51)\\.\\d % \\+- ")
        .contains("Cached tokens: ")
        .contains("Routing accuracy: 99.0 % (99 of 100 checked); the instances' counters agree")
        .contains("Intervals over paired runs");
  }

  @Test
  void oneRunASideIsToldAndClaimsNothing() throws Exception {
    String p =
        ResultBuilder.ours(100, 1, 0.05, size -> size / 20_000.0).write(folder, "paged-1.json");
    String s =
        ResultBuilder.ours(100, 2, 0.05, size -> size / 10_000.0).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed())
        .contains("TTFT: one run a side, nothing is claimed (seen: static +")
        .contains("Paged Cache: better in 0 of 9")
        .contains("are weak")
        .contains("nothing is claimed: that takes two runs a side or more, better five.");
  }

  @Test
  void aLateRunIsLeftOutAndASideOfLateRunsClaimsNothing() throws Exception {
    runs("paged", 100, 0.05, size -> size / 20_000.0);
    runs("static", 100, 0.05, size -> size / 10_000.0);
    ResultBuilder.ours(100, 9, 0.05, size -> size / 1_000.0)
        .with("date", "20260109-000000")
        .with("send_lag_ms", Map.of("mean", 4, "p99", 300, "max", 990))
        .write(folder, "static-9.json");
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-*")).isZero();
    assertThat(io.printed())
        .contains("static-9.json: left out, its load generator was late by 300 ms (p99)")
        .contains("TTFT: paged wins at every size by");
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(100, k, 0.05, size -> size / 10_000.0)
          .with("generator_late", true)
          .write(folder, "static-" + k + ".json");
    }
    Arguments second = new Arguments();
    assertThat(
            Compare.run(
                Arguments.of(
                    Compare.PROGRAM,
                    Map.of(),
                    List.of(folder + "/paged-*", folder + "/static-*"),
                    Map.of()),
                second.out,
                second.err))
        .isZero();
    assertThat(second.printed())
        .contains("static-0.json: its load generator was late, so nothing is claimed of its side")
        .contains("better in 0 of 9")
        .contains("nothing is claimed: a run cannot be trusted, see the warnings.")
        .doesNotContain(" wins ");
  }

  @Test
  void aSideWithCutAnswersClaimsNothing() throws Exception {
    runs("paged", 100, 0.05, size -> size / 20_000.0);
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(100, k, 0.05, size -> size / 10_000.0)
          .with("truncated", 40)
          .write(folder, "static-" + k + ".json");
    }
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-*")).isZero();
    assertThat(io.printed())
        .contains("static-0.json: 40 of 140 answers were cut off before the length asked for")
        .contains("static-0.json: 28.6 % of its answers were cut off, so nothing is claimed")
        .contains("better in 0 of 9")
        .doesNotContain(" wins ");
  }

  @Test
  void aSideWhereRequestsFailedOrThatWasInterruptedClaimsNothing() throws Exception {
    runs("paged", 100, 0.05, size -> size / 20_000.0);
    for (int k = 0; k < 3; k++) {
      ResultBuilder.ours(100, k, 0.05, size -> size / 40_000.0)
          .with("failed", 900)
          .write(folder, "static-" + k + ".json");
      ResultBuilder.ours(100, k, 0.05, size -> size / 40_000.0)
          .with("complete", false)
          .write(folder, "static-cut-" + k + ".json");
    }
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-[0-9]*")).isZero();
    assertThat(io.printed())
        .contains("static-0.json: 90.0 % of its requests failed, so nothing is claimed")
        .contains("better in 0 of 9")
        .doesNotContain(" wins ");
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-cut-*")).isZero();
    assertThat(io.printed())
        .contains("static-cut-0.json: it was interrupted, so nothing is claimed")
        .doesNotContain(" wins ");
  }

  @Test
  void anInterruptedRunIsLeftOutWhereOthersWereNot() throws Exception {
    runs("paged", 100, 0.05, size -> size / 20_000.0);
    runs("static", 100, 0.05, size -> size / 40_000.0);
    ResultBuilder.ours(100, 9, 0.05, size -> size / 1000.0)
        .with("complete", false)
        .write(folder, "static-9.json");
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-*")).isZero();
    assertThat(io.printed())
        .contains("static-9.json: left out, it was interrupted")
        .contains("static wins at every size");
  }

  @Test
  void oneRunNamedTwiceIsOneRun() throws Exception {
    String p = ResultBuilder.old(100, 10).write(folder, "paged-1.json");
    String s = ResultBuilder.old(150, 8).write(folder, "static-1.json");
    String copy = Files.copy(Path.of(s), folder.resolve("static-copy.json")).toString();
    assertThat(run(Map.of(), Map.of(), p, p, s, copy)).isZero();
    assertThat(io.printed())
        .contains(p + ": counted once, it is named more than once")
        .contains(copy + ": left out, the same run as " + s)
        .contains("untested: 9")
        .contains("nothing is claimed");
  }

  @Test
  void runsThatAgreeToTheLastBitShowNoNoiseAndClaimNothing() throws Exception {
    for (int k = 0; k < 3; k++) {
      String date = "2026010" + (k + 1) + "-000000";
      ResultBuilder.old(100, 10).with("date", date).write(folder, "paged-" + k + ".json");
      ResultBuilder.old(150, 8).with("date", date).write(folder, "static-" + k + ".json");
    }
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*", folder + "/static-*")).isZero();
    assertThat(io.printed()).contains("untested: 9");
  }

  private static Map<String, Object> workload(int seed, Map<String, Object> more) {
    Map<String, Object> out = new HashMap<>(more);
    out.put("seed", seed);
    out.put("sha256", "ab".repeat(31) + seed + "0");
    return out;
  }

  @Test
  void promptsThatWereDrawnInAnotherWayAreAnotherWorkload() throws Exception {
    String a =
        ResultBuilder.old(100, 10)
            .with("workload", workload(1, Map.of("dataset", "random", "generator", "100 tokens")))
            .write(folder, "paged-1.json");
    String b =
        ResultBuilder.old(100, 10)
            .with("workload", workload(2, Map.of("dataset", "random", "generator", "900 tokens")))
            .write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), a, b)).isEqualTo(1);
    assertThat(io.complained()).contains("how prompts are drawn is 100 tokens and 900 tokens");
  }

  @Test
  void filesThatDoNotSayHowTheyWereDrawnMustHavePromptsOfOneLength() throws Exception {
    for (int[] c : new int[][] {{1, 16_000, 0}, {2, 16_900, 0}, {3, 160_000, 1}}) {
      String p =
          ResultBuilder.old(100, 10)
              .with("workload", workload(7, Map.of("dataset", "random")))
              .with("total_input_tokens", 16_000)
              .write(folder, "paged-1.json");
      String s =
          ResultBuilder.old(100, 10)
              .with("workload", workload(c[0], Map.of("dataset", "random")))
              .with("total_input_tokens", c[1])
              .write(folder, "static-1.json");
      assertThat(run(Map.of(), Map.of(), p, s)).as(c[1] + " tokens").isEqualTo(c[2]);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "requests_sha256, cdcd, efef, sha256 of what is asked is cdcd and efef",
    "stream, true, false, stream is true and false",
    "temperature, none, 1, temperature is none and 1",
    "ignore_eos, true, false, ignore_eos is true and false",
    "endpoint, /v1/completions, /v1/chat/completions, endpoint is /v1/completions",
    "arrival, poisson, replay, arrival is poisson and replay",
  })
  void whatIsAskedOfTheSamePromptsIsPartOfTheWorkload(
      String key, String first, String second, String said) throws Exception {
    Map<String, Object> of = Map.of("dataset", "custom", "path", "d.jsonl");
    Map<String, Object> a = workload(1, of);
    a.put(key, first);
    Map<String, Object> b = workload(1, of);
    b.put(key, second);
    String p = ResultBuilder.old(100, 10).with("workload", a).write(folder, "paged-1.json");
    String s = ResultBuilder.old(100, 10).with("workload", b).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
    assertThat(io.complained()).contains(said);
  }

  @Test
  void generatedWorkloadsDrawnAnewArePairedBySeed() throws Exception {
    for (int seed = 1; seed <= 4; seed++) {
      Map<String, Object> drawn =
          Map.of("dataset", "random", "sha256", "ab".repeat(31) + seed + "0", "seed", seed);
      ResultBuilder.old(100 * seed, 10.0 / seed)
          .with("workload", drawn)
          .with("date", "2026010" + seed + "-000000")
          .write(folder, "paged-" + seed + ".json");
      ResultBuilder.old(110 * seed + 0.1 * seed * seed, 10.0 / seed)
          .with("workload", drawn)
          .with("date", "2026010" + (9 - seed) + "-000000")
          .write(folder, "static-" + seed + ".json");
    }
    assertThat(run(Map.of("json", "true"), Map.of(), folder + "/paged-*", folder + "/static-*"))
        .isZero();
    JsonNode out = Json.tree(io.printed().getBytes(StandardCharsets.UTF_8));
    assertThat(out.at("/metrics/0/interval_over").asText()).isEqualTo("paired-runs");
    assertThat(out.at("/metrics/0/better").asText()).isEqualTo("paged");
    assertThat(out.at("/metrics/0/interval_percent/1").doubleValue()).isLessThan(11);
  }

  @Test
  void requestsInAnotherOrderAreNotPaired() throws Exception {
    ResultBuilder shuffled = ResultBuilder.ours(100, 2, 0.05, size -> size / 20_000.0);
    String p =
        ResultBuilder.ours(100, 1, 0.05, size -> size / 20_000.0).write(folder, "paged-1.json");
    JsonNode tree = Json.tree(shuffled.bytes());
    for (JsonNode r : tree.get("requests")) {
      ((com.fasterxml.jackson.databind.node.ObjectNode) r)
          .put("index", 99 - r.get("index").intValue());
    }
    String s = Files.write(folder.resolve("static-1.json"), Json.bytes(tree)).toString();
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed()).contains("no verdict by size");
  }

  @Test
  void aGeneratorThatWasLateIsAWarning() throws Exception {
    String p =
        ResultBuilder.old(100, 10)
            .with("send_lag_ms", Map.of("mean", 4, "p99", 981.4, "max", 990))
            .write(folder, "paged-1.json");
    String s = ResultBuilder.old(100, 10).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed())
        .contains("warning: " + p + ": its load generator was late by 981 ms (p99)");
  }

  @Test
  void waitingForASlotIsNotPartOfTheComparedTimes() throws Exception {
    ResultRequest r = new ResultRequest(0, 0, 1, true, "ok", "", "", "", 1, 2, 0, 3.5, 0.1, 4.5, 3);
    assertThat(TimeKind.TTFT.served(r)).isEqualTo(0.5);
    assertThat(TimeKind.TTFT.seconds(r)).isEqualTo(3.5);
    assertThat(TimeKind.E2E.served(r)).isEqualTo(1.5);
    assertThat(TimeKind.TPOT.served(r)).isEqualTo(0.1);
  }

  @Test
  void anOldAndANewFileCompareWithoutError() throws Exception {
    String old = ResultBuilder.old(100, 10).write(folder, "paged-old.json");
    String now = ResultBuilder.ours(50, 1, 0.1, size -> 0.1).write(folder, "static-new.json");
    assertThat(run(Map.of(), Map.of(), old, now)).isZero();
    assertThat(io.printed()).contains("warning: whether all sides had the same prompts");
    assertThat(io.complained()).isEmpty();
  }

  @Test
  void differentWorkloadsAreRefusedUnlessForced() throws Exception {
    String p = ResultBuilder.ours(50, 1, 0.1, size -> 0.1).write(folder, "paged-1.json");
    String s =
        ResultBuilder.ours(50, 1, 0.1, size -> 0.1)
            .with("request_rate", 2.0)
            .write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
    assertThat(io.complained())
        .contains("different workloads: request_rate is inf and 2 (expected: the same; --force");
    assertThat(run(Map.of("force", "true"), Map.of(), p, s)).isZero();
    assertThat(io.printed()).contains("warning: " + p + " and " + s + ": different workloads");
  }

  @Test
  void anOlderFileOfAnotherWorkloadIsLeftOut() throws Exception {
    ResultBuilder.old(1, 1).with("num_prompts", 8).write(folder, "paged-0.json");
    ResultBuilder.old(100, 10)
        .with("num_prompts", 16)
        .with("date", "20260301-000000")
        .write(folder, "paged-1.json");
    String s = ResultBuilder.old(100, 10).with("num_prompts", 16).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), folder + "/paged-*.json", s)).isZero();
    assertThat(io.printed())
        .contains("paged-0.json: left out, another workload than")
        .contains("num_prompts is 8 and 16")
        .contains("paged-1.json\n");
  }

  @Test
  void strategiesAndThreeWayComparisonsHaveTheirReports() throws Exception {
    String sized = ResultBuilder.old(100, 10).write(folder, "size-based-routing-1.json");
    String two = ResultBuilder.old(120, 9).write(folder, "2paged-round-robin-1.json");
    assertThat(run(Map.of(), Map.of(), sized, two)).isZero();
    assertThat(io.printed())
        .contains("Routing Strategy Comparison: Size-Based vs 2-Paged Round-Robin")
        .contains("Improvement Analysis")
        .contains("Mean TTFT (ms): -16.7 % (untested)")
        .contains("Conclusion");
    String one = ResultBuilder.old(300, 3).write(folder, "single-instance-1.json");
    String rr = ResultBuilder.old(200, 5).write(folder, "round-robin-1.json");
    String cr = ResultBuilder.old(100, 6).write(folder, "cache-routing-1.json");
    assertThat(run(Map.of(), Map.of(), cr, one, rr)).isZero();
    assertThat(io.printed())
        .contains("Comprehensive Benchmark Comparison")
        .contains("Cache Routing against Single Instance")
        .contains("Cache Routing against Round-Robin")
        .contains("Insights");
  }

  @Test
  void twoFilesWithoutNamesAreRoundRobinAndCacheRoutingWhenAsked() throws Exception {
    String a = ResultBuilder.old(100, 10).write(folder, "a.json");
    String b = ResultBuilder.old(90, 10).write(folder, "b.json");
    assertThat(run(Map.of("kind", "cache-routing"), Map.of(), a, b)).isZero();
    assertThat(io.printed()).contains("Round-Robin vs Cache Routing").contains("-10.00 %");
    assertThat(run(Map.of(), Map.of(), a, b)).isZero();
    assertThat(io.printed()).contains("a.json vs b.json");
  }

  @Test
  void aFileWhoseNameSaysNothingIsToldByItsLabel() throws Exception {
    String p = ResultBuilder.old(100, 10).with("label", "paged-cache").write(folder, "a.json");
    String s = ResultBuilder.old(100, 10).write(folder, "b.json");
    assertThat(run(Map.of(), Map.of("static", List.of(s)), p)).isZero();
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
    assertThat(io.complained()).contains("b.json: neither its name nor its label \"\" says");
  }

  @Test
  void nothingIsDividedByZero() throws Exception {
    String p = ResultBuilder.old(0, 0).write(folder, "paged-1.json");
    String s = ResultBuilder.old(5, 0).write(folder, "static-1.json");
    for (String form : List.of("json", "markdown", "auto_detect")) {
      Map<String, String> flags = Map.of(form, "true", "results_dir", folder.toString());
      assertThat(
              run(
                  flags,
                  Map.of(),
                  form.equals("auto_detect") ? new String[0] : new String[] {p, s}))
          .isZero();
    }
    assertThat(io.printed())
        .contains("n/a")
        .contains("\"change_percent\":null")
        .doesNotContain("Infinity")
        .doesNotContain("NaN");
  }

  @Test
  void jsonHasEveryMetricItsChangeAndInterval() throws Exception {
    for (int i = 0; i < 3; i++) {
      ResultBuilder.old(100 + i, 0).write(folder, "paged-" + i + ".json");
      ResultBuilder.old(50 + i, 0).write(folder, "static-" + i + ".json");
    }
    assertThat(run(Map.of("json", "true"), Map.of(), folder + "/paged-*", folder + "/static-*"))
        .isZero();
    JsonNode out = Json.tree(io.printed().getBytes(StandardCharsets.UTF_8));
    assertThat(out.get("metrics")).hasSize(9);
    assertThat(out.at("/metrics/0/change_percent").doubleValue()).isBetween(-49.6, -49.4);
    assertThat(out.at("/metrics/0/interval_percent/0").doubleValue()).isBetween(-53.0, -51.0);
    assertThat(out.at("/metrics/0/interval_over").asText()).isEqualTo("runs");
    assertThat(out.at("/metrics/0/better").asText()).isEqualTo("static");
    assertThat(out.at("/metrics/8/change_percent").isNull()).isTrue();
    assertThat(out.at("/metrics/8/verdict").asText()).isEqualTo("untested");
    assertThat(out.at("/paged/completed").intValue()).isEqualTo(48);
  }

  @Test
  void markdownHasATable() throws Exception {
    String p = ResultBuilder.old(100, 10).write(folder, "paged-1.json");
    String s = ResultBuilder.old(150, 8).write(folder, "static-1.json");
    assertThat(run(Map.of("markdown", "true"), Map.of(), p, s)).isZero();
    assertThat(io.printed())
        .startsWith("# Cache Type Comparison")
        .contains("| Mean TTFT (ms) | 100.00 | 150.00 | +50.00 % | - | untested |");
  }

  @Test
  void autoDetectTakesTheFolderWithoutPairsOfPagedInstancesAndWithoutBrokenFiles()
      throws Exception {
    String p = ResultBuilder.old(100, 10).write(folder, "paged-cache-1.json");
    ResultBuilder.old(100, 10)
        .with("date", "20260901-000000")
        .write(folder, "2paged-round-robin-1.json");
    ResultBuilder.old(100, 10).write(folder, "static-cache-1.json");
    Files.writeString(folder.resolve("static-cache-2.json"), "{\"date\":");
    Map<String, String> flags = Map.of("auto_detect", "true", "results_dir", folder.toString());
    assertThat(run(flags, Map.of())).isZero();
    assertThat(io.printed())
        .contains("File: " + p + "\n")
        .contains("warning: left out: ")
        .contains("static-cache-2.json: not a complete JSON document");
  }

  @Test
  void noControlCodesOfAFileReachTheTerminal() throws Exception {
    String p =
        ResultBuilder.old(100, 10)
            .with("label", "paged\u001b]0;x\u0007")
            .with("date", "2026\u001b[31m")
            .with("model_id", "m\u009b31m")
            .with("workload", workload(1, Map.of("generator", "g\u001b[2J", "endpoint", "/\u202e")))
            .write(folder, "one.json");
    String s =
        ResultBuilder.old(150, 8)
            .with("label", "static")
            .with("model_id", "n")
            .with("workload", workload(2, Map.of("generator", "h", "endpoint", "/x")))
            .write(folder, "two.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
    assertThat(run(Map.of("force", "true"), Map.of(), p, s)).isZero();
    assertThat(io.printed() + io.complained())
        .contains("m?31m", "g?[2J", "/?")
        .doesNotContain("\u001b", "\u0007", "\u009b", "\u202e");
  }

  @Test
  void theOrderOfWhatIsAddedToABodySaysNothing() throws Exception {
    Map<String, Object> a = workload(1, Map.of());
    a.put("extra_body", Json.tree("{\"n\":1,\"top_k\":2}".getBytes(StandardCharsets.UTF_8)));
    Map<String, Object> b = workload(1, Map.of());
    b.put("extra_body", Json.tree("{\"top_k\":2,\"n\":1}".getBytes(StandardCharsets.UTF_8)));
    String p = ResultBuilder.old(100, 10).with("workload", a).write(folder, "paged-1.json");
    String s = ResultBuilder.old(100, 10).with("workload", b).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    b.put("extra_body", Map.of("n", 2));
    ResultBuilder.old(100, 10).with("workload", b).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
  }

  /// One failed request is no reason to believe anything of the rest.
  @Test
  void promptsOfOtherLengthsAreOthersAlsoWhereSomeFailed() throws Exception {
    String p =
        ResultBuilder.old(100, 10)
            .with("completed", 199)
            .with("failed", 1)
            .with("total_input_tokens", 10_000)
            .write(folder, "paged-1.json");
    for (int tokens : new int[] {1000, 9900}) {
      String s =
          ResultBuilder.old(100, 10)
              .with("completed", 199)
              .with("failed", 1)
              .with("total_input_tokens", tokens)
              .write(folder, "static-1.json");
      assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(tokens == 1000 ? 1 : 0);
    }
    assertThat(io.complained()).contains("the mean of the prompts' tokens is 50 and 5");
  }

  @Test
  void aPartialResultIsMarked() throws Exception {
    String p = ResultBuilder.old(100, 10).with("complete", false).write(folder, "paged-1.json");
    String s = ResultBuilder.old(150, 8).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed())
        .contains("paged-1.json: partial, the run was interrupted after 16 requests")
        .contains("Partial: yes");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "``                             | empty (expected: a result JSON of a benchmark)",
        "{\"date\":\"x\",\"comple       | not a complete JSON document, perhaps half-written",
        "[]                             | not a JSON object",
        "hello                          | not a complete JSON document",
        "{\"mean_ttft_ms\":\"fast\"}    | mean_ttft_ms: \"fast\" (expected: a number)",
        "{\"completed\":1}              | \"mean_ttft_ms\" is missing (expected: a number)",
        "{\"mean_ttft_ms\":-5}          | mean_ttft_ms: -5 (expected: a number, 0 or more)",
        "{\"mean_ttft_ms\":NaN}         | mean_ttft_ms: NaN (expected: a number)",
        "{\"mean_ttft_ms\":1e999}       | mean_ttft_ms: ",
        "{\"requests\":7}               | requests: 7 (expected: a list)",
        "{\"requests\":[7]}             | requests[0]: 7 (expected: an object)",
        "{\"requests\":[{\"ttft_s\":\"x\"}]} | requests[0].ttft_s: \"x\" (expected: a number)",
        "{\"ttfts\":[1,null]}           | ttfts[1]: null (expected: a number)",
      })
  void aBrokenFileIsNamed(String content, String message) throws Exception {
    Path p = Files.writeString(folder.resolve("paged-1.json"), content);
    assertThat(run(Map.of(), Map.of(), p.toString())).isEqualTo(1);
    assertThat(io.complained()).startsWith(p + ": ").contains(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "complete  | \"yes\"             | complete: \"yes\" (expected: true or false)",
        "completed | -3                  | completed: -3 (expected: a whole number, 0 or more)",
        "label     | 5                   | label: 5 (expected: a text)",
        "routing   | []                  | routing: [] (expected: an object)",
        "routing   | {\"pools\":{\"paged\":1}} | routing.pools.paged: 1 (expected: an object)",
        "routing   | {\"exceptions\":{}} | routing.exceptions: {} (expected: a list)",
        "workload  | 1                   | workload: 1 (expected: an object)",
        "num_prompts | []                | num_prompts: [] (expected: a number)",
      })
  void aWrongTypeIsNamed(String key, String value, String message) throws Exception {
    ResultBuilder b = ResultBuilder.old(1, 1);
    b.with(key, Json.tree(value.getBytes(StandardCharsets.UTF_8)));
    String p = b.write(folder, "paged-1.json");
    assertThat(run(Map.of(), Map.of(), p)).isEqualTo(1);
    assertThat(io.complained()).startsWith(p + ": ").contains(message);
  }

  @Test
  void missingInputsAreNamed() throws Exception {
    assertThat(run(Map.of(), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains("no result file (expected: at least one file of two");
    assertThat(run(Map.of(), Map.of(), "results/paged-cache-*.json")).isEqualTo(1);
    assertThat(io.complained()).contains("results/paged-cache-*.json: no such file");
    assertThat(run(Map.of(), Map.of(), folder.toString())).isEqualTo(1);
    assertThat(io.complained()).contains(folder + ": is a folder");
    assertThat(run(Map.of("auto_detect", "true", "results_dir", "nowhere"), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains("--results-dir: nowhere");
    String p = ResultBuilder.old(1, 1).write(folder, "paged-1.json");
    assertThat(run(Map.of(), Map.of(), p)).isEqualTo(1);
    assertThat(io.complained()).contains("only result files of the paged side");
    assertThat(run(Map.of(), Map.of("paged", List.of(p), "single", List.of(p)))).isEqualTo(1);
    assertThat(io.complained()).contains("--paged and --single: not sides of one comparison");
  }

  @Test
  void aRunThatCompletedNothingIsNoResult() throws Exception {
    String p =
        ResultBuilder.old(0, 0)
            .with("completed", 0)
            .with("failed", 16)
            .write(folder, "paged-1.json");
    String s = ResultBuilder.old(5, 1).write(folder, "static-1.json");
    assertThat(run(Map.of(), Map.of(), p, s)).isEqualTo(1);
    assertThat(io.complained()).contains("no request completed, 16 failed");
  }

  @ParameterizedTest
  @CsvSource({
    "paged-cache-1.0qps.json, paged",
    "static-cache.json, static",
    "STATIC.json, static",
    "run-paged.json, paged",
    "paged-against-static.json, paged",
    "2paged-round-robin.json,",
    "size-based-routing.json,",
    "my-paged-and-static.json,",
  })
  void namesTellTheSide(String name, @org.jspecify.annotations.Nullable String side) {
    assertThat(CompareKind.CACHE_TYPES.seatOf(name).map(CompareKind.Seat::key).orElse(null))
        .isEqualTo(side);
  }

  @ParameterizedTest
  @ValueSource(strings = {"2paged-round-robin-1qps.json", "run-2paged.json"})
  void aPairOfPagedInstancesIsASideOfStrategies(String name) {
    assertThat(CompareKind.STRATEGIES.seatOf(name).map(CompareKind.Seat::key)).contains("2paged");
  }
}
