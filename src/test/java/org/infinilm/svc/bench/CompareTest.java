package org.infinilm.svc.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CompareTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  /// A result whose latencies are `ms` and whose throughputs are `rate`.
  private static Map<String, Object> result(String date, double ms, double rate) {
    Map<String, Object> out = new HashMap<>(Map.of("date", date, "completed", 16, "failed", 1));
    for (Metric m : Metric.values()) {
      out.put(m.key(), m.higherIsBetter() ? rate : ms);
    }
    return out;
  }

  private String file(String name, Map<String, Object> content) throws IOException {
    return Files.write(folder.resolve(name), Json.bytes(content)).toString();
  }

  private int run(Map<String, String> flags, Map<String, List<String>> repeated, String... files)
      throws Exception {
    return Compare.run(
        Arguments.of(Compare.PROGRAM, flags, List.of(files), repeated), io.out, io.err);
  }

  @Test
  void positionalFilesAreToldApartByName() throws Exception {
    String p = file("paged-cache-1.json", result("20260101-000000", 100, 10));
    String s = file("static-cache-1.json", result("20260101-000000", 150, 8));
    assertThat(run(Map.of(), Map.of(), s, p)).isZero();
    assertThat(io.printed())
        .contains("File: " + p)
        .contains("File: " + s)
        .contains("Completed: 16")
        .contains("Failed: 1")
        .contains("+50.00 %")
        .contains("-20.00 %")
        .contains("Paged Cache better by more than 1 % in 9 of 9:")
        .contains("Static Cache better by more than 1 % in 0 of 9\n");
  }

  @Test
  void aFileWhoseNameSaysNothingIsToldByItsLabel() throws Exception {
    Map<String, Object> p = result("20260101-000000", 100, 10);
    p.put("label", "paged-cache");
    String s = file("b.json", result("20260101-000000", 100, 10));
    assertThat(run(Map.of(), Map.of("static", List.of(s)), file("a.json", p))).isZero();
    assertThat(run(Map.of(), Map.of(), file("a.json", p), s)).isEqualTo(1);
    assertThat(io.complained()).contains("b.json: neither its name nor its label \"\" says");
  }

  @Test
  void theNewestOfSeveralCounts() throws Exception {
    String newer = file("paged-1.json", result("20260301-000000", 100, 10));
    String older = file("paged-2.json", result("20260201-000000", 100, 10));
    String s = file("static-1.json", result("20260101-000000", 100, 10));
    assertThat(run(Map.of(), Map.of("paged", List.of(newer, older)), s)).isZero();
    assertThat(io.printed()).contains("File: " + newer + " (newest of 2)");
  }

  @Test
  void nothingIsDividedByZero() throws Exception {
    String p = file("paged-1.json", result("20260101-000000", 0, 0));
    String s = file("static-1.json", result("20260101-000000", 5, 0));
    assertThat(run(Map.of(), Map.of(), p, s)).isZero();
    assertThat(io.printed()).contains("n/a").doesNotContain("Infinity").doesNotContain("NaN");
  }

  @Test
  void jsonHasEveryMetricAndItsChange() throws Exception {
    String p = file("paged-1.json", result("20260101-000000", 100, 0));
    String s = file("static-1.json", result("20260101-000000", 50, 0));
    assertThat(run(Map.of("json", "true"), Map.of(), p, s)).isZero();
    JsonNode out = Json.tree(io.printed().getBytes(StandardCharsets.UTF_8));
    assertThat(out.get("metrics")).hasSize(9);
    assertThat(out.at("/metrics/0/change_percent").doubleValue()).isEqualTo(-50);
    assertThat(out.at("/metrics/0/better").asText()).isEqualTo("static");
    assertThat(out.at("/metrics/8/change_percent").isNull()).isTrue();
    assertThat(out.at("/paged/completed").intValue()).isEqualTo(16);
  }

  @Test
  void autoDetectTakesTheResultsFolderWithoutPairsOfPagedInstances() throws Exception {
    String p = file("paged-cache-1.json", result("20260101-000000", 100, 10));
    file("2paged-round-robin-1.json", result("20260901-000000", 100, 10));
    file("static-cache-1.json", result("20260101-000000", 100, 10));
    Map<String, String> flags = Map.of("auto_detect", "true", "results_dir", folder.toString());
    assertThat(run(flags, Map.of())).isZero();
    assertThat(io.printed()).contains("File: " + p + "\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "``                             | empty",
        "{\"date\":\"x\",\"comple       | not a complete JSON document, perhaps half-written",
        "[]                             | not a JSON object",
        "{\"mean_ttft_ms\":\"fast\"}    | mean_ttft_ms: \"fast\" (expected: a number)",
        "{\"completed\":1}              | \"mean_ttft_ms\" is missing (expected: a number)",
        "{\"mean_ttft_ms\":NaN}         | not a complete JSON document",
      })
  void aBrokenFileIsNamed(String content, String message) throws Exception {
    Path p = Files.writeString(folder.resolve("paged-1.json"), content);
    assertThat(run(Map.of(), Map.of(), p.toString())).isEqualTo(1);
    assertThat(io.complained()).startsWith(p + ": ").contains(message);
  }

  @Test
  void missingInputsAreNamed() throws Exception {
    assertThat(run(Map.of(), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains("no result file of the paged side");
    assertThat(run(Map.of(), Map.of(), "results/paged-cache-*.json")).isEqualTo(1);
    assertThat(io.complained()).contains("results/paged-cache-*.json: no such file");
    assertThat(run(Map.of("auto_detect", "true", "results_dir", "nowhere"), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains("--results-dir: nowhere");
  }

  @Test
  void aRunThatCompletedNothingIsNoResult() throws Exception {
    Map<String, Object> failed = result("20260101-000000", 0, 0);
    failed.put("completed", 0);
    failed.put("failed", 16);
    String s = file("static-1.json", result("20260101-000000", 5, 1));
    assertThat(run(Map.of(), Map.of(), file("paged-1.json", failed), s)).isEqualTo(1);
    assertThat(io.complained()).contains("no request completed, 16 failed");
  }

  @ParameterizedTest
  @CsvSource({
    "paged-cache-1.0qps.json, PAGED",
    "static-cache.json, STATIC",
    "STATIC.json, STATIC",
    "run-paged.json, PAGED",
    "paged-against-static.json, PAGED",
    "2paged-round-robin.json,",
    "size-based-routing.json,",
    "my-paged-and-static.json,",
  })
  void namesTellTheSide(String name, @org.jspecify.annotations.Nullable Side side) {
    assertThat(ResultFile.side(name).orElse(null)).isEqualTo(side);
  }
}
