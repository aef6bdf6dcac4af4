package org.infinilm.svc.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.load.LoadOptions;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.load.Samples;
import org.infinilm.svc.workload.Workload;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BenchResultTest {
  /// What a reader of vLLM's file relies on: every key, in order, and the kind of its value.
  private static final List<String> VLLM =
      List.of(
          "date:text",
          "endpoint_type:text",
          "backend:text",
          "label:text",
          "model_id:text",
          "tokenizer_id:text",
          "num_prompts:int",
          "request_rate:number",
          "burstiness:number",
          "max_concurrency:int",
          "duration:number",
          "completed:int",
          "failed:int",
          "total_input_tokens:int",
          "total_output_tokens:int",
          "request_throughput:number",
          "request_goodput:null",
          "output_throughput:number",
          "total_token_throughput:number",
          "input_lens:list",
          "output_lens:list",
          "ttfts:list",
          "itls:list",
          "latencies:list",
          "start_times:list",
          "queue_times:list",
          "generated_texts:list",
          "errors:list",
          "max_output_tokens_per_s:number",
          "max_concurrent_requests:int",
          "rtfx:number",
          "mean_ttft_ms:number",
          "median_ttft_ms:number",
          "std_ttft_ms:number",
          "p99_ttft_ms:number",
          "mean_tpot_ms:number",
          "median_tpot_ms:number",
          "std_tpot_ms:number",
          "p99_tpot_ms:number",
          "mean_itl_ms:number",
          "median_itl_ms:number",
          "std_itl_ms:number",
          "p99_itl_ms:number",
          "mean_e2el_ms:number",
          "median_e2el_ms:number",
          "std_e2el_ms:number",
          "p99_e2el_ms:number");

  @TempDir Path folder;

  private static LoadSample sample(int index, boolean ok) {
    long intended = 1_000_000_000L * index;
    long sent = intended + 5_000_000;
    return ok
        ? Samples.answered(index, intended, sent, 3, 2, sent + 20_000_000, sent + 30_000_000)
        : Samples.refused(index, intended, sent, 503, "HTTP 503: busy");
  }

  private static BenchResult result(
      Map<String, String> flags, boolean detailed, @Nullable Routing routing) throws Exception {
    LoadOptions o =
        LoadOptions.of(Arguments.of(BenchProgram.PROGRAM, flags, List.of(), Map.of()), Map.of());
    List<LoadSample> samples = List.of(sample(0, true), sample(1, false), sample(2, true));
    return new BenchResult(
        o,
        new Workload("custom", "d.jsonl", "ab", null, List.of()),
        flags.getOrDefault("label", ""),
        "org/model",
        "org/model",
        LocalDateTime.of(2026, 11, 22, 17, 5, 9),
        3,
        true,
        detailed,
        false,
        LoadFigures.of(samples, 2.5, Map.of()),
        Intended.of(samples),
        samples,
        routing,
        null);
  }

  private JsonNode written(BenchResult r) throws Exception {
    Path file = folder.resolve(r.fileName());
    r.write(file);
    assertThat(Files.readAllLines(file)).hasSize(1);
    return Json.tree(Files.readAllBytes(file));
  }

  private static String kind(JsonNode n) {
    return n.isTextual()
        ? "text"
        : n.isInt() || n.isLong()
            ? "int"
            : n.isNumber() ? "number" : n.isArray() ? "list" : n.isNull() ? "null" : "other";
  }

  @Test
  void aReaderOfVllmsFileFindsItsKeysInOrderAndOfItsKinds() throws Exception {
    JsonNode n =
        written(
            result(
                Map.of("request_rate", "1.5", "max_concurrency", "4", "label", "run"), true, null));
    List<String> names = new ArrayList<>();
    n.fieldNames().forEachRemaining(names::add);
    assertThat(names.subList(0, VLLM.size()))
        .isEqualTo(VLLM.stream().map(v -> v.substring(0, v.indexOf(':'))).toList());
    Map<String, String> want = new HashMap<>();
    Map<String, String> have = new HashMap<>();
    for (String v : VLLM) {
      String name = v.substring(0, v.indexOf(':'));
      want.put(name, v.substring(v.indexOf(':') + 1));
      have.put(name, kind(n.get(name)));
    }
    assertThat(have).isEqualTo(want);
    assertThat(n.path("date").asText()).isEqualTo("20261122-170509");
    for (String array :
        List.of(
            "input_lens", "output_lens", "ttfts", "itls", "latencies", "start_times", "errors")) {
      assertThat(n.path(array)).as(array).hasSize(3);
    }
    assertThat(n.path("errors").get(1).asText()).isEqualTo("HTTP 503: busy");
    assertThat(n.path("generated_texts").get(0).asText()).isEmpty();
    assertThat(n.path("mean_ttft_ms").asDouble()).isEqualTo(20.0);
  }

  @Test
  void withoutDetailsTheLongArraysAreLeftOut() throws Exception {
    JsonNode n = written(result(Map.of(), false, null));
    assertThat(n.has("itls")).isFalse();
    assertThat(n.has("errors")).isFalse();
    assertThat(n.path("latencies")).hasSize(3);
    assertThat(n.path("request_rate").asText()).isEqualTo("inf");
    assertThat(n.path("label").isNull()).isTrue();
    assertThat(n.path("max_concurrency").isNull()).isTrue();
  }

  @Test
  void requestsAreMeasuredFromTheIntendedTime() throws Exception {
    JsonNode n = written(result(Map.of(), false, null));
    JsonNode r = n.path("requests").get(2);
    assertThat(r.path("start_s").asDouble()).isEqualTo(2.0);
    assertThat(r.path("late_s").asDouble()).isEqualTo(0.005);
    assertThat(r.path("ttft_s").asDouble()).isEqualTo(0.025);
    assertThat(r.path("e2e_s").asDouble()).isEqualTo(0.035);
    assertThat(r.path("tpot_s").asDouble()).isEqualTo(0.010, within(1e-9));
    assertThat(r.path("pool").isNull()).isTrue();
    JsonNode failed = n.path("requests").get(1);
    assertThat(failed.path("outcome").asText()).isEqualTo("rejected");
    assertThat(failed.path("ttft_s").isNull()).isTrue();
    assertThat(failed.path("error").asText()).isEqualTo("HTTP 503");
    assertThat(n.path("late_ms").path("max").asDouble()).isBetween(4.9, 5.1);
    assertThat(n.path("complete").asBoolean()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "ttft, true, 1",
    "tpot, true, 1",
    "ttft, false, 0",
    "tpot, false, 0",
    "e2el, true, 1"
  })
  void whatWasNotMeasuredMeetsNoObjective(String objective, boolean streamed, double share) {
    LoadSample s =
        streamed ? sample(0, true) : Samples.answered(0, 1_000_000_000L, 1_000_000_000L, 3, 2);
    LoadFigures f = LoadFigures.of(List.of(s), 1, Map.of(objective, 100_000.0));
    assertThat(f.goodShare()).isEqualTo(share);
  }

  @Test
  void routingIsWrittenAsAgreed() throws Exception {
    Routing routing =
        Routing.of(
            List.of(
                new Routing.Answer(0, "a", 10, -1, 10, 100, "paged", "p", "size", true, null, -1),
                new Routing.Answer(
                    1, "b", 900, -1, 900, 100, "paged", "p", "empty-pool", true, null, -1)),
            Map.of(
                "p",
                new Routing.Member(
                    "p",
                    "paged",
                    new Routing.Own(0.0, null, null, null),
                    new Routing.Own(2.0, null, null, null))),
            "body",
            null);
    JsonNode n = written(result(Map.of(), false, routing)).path("routing");
    assertThat(n)
        .isEqualTo(
            Json.tree(
                ("{\"threshold\":100,\"metric\":\"body\",\"sent\":2,\"answered\":2,\"checked\":2,\"correct\":1,\"claimed\":0,\"proven\":0,\"misattributed\":0,"
                        + "\"accuracy\":0.5,\"size_mismatches\":0,\"pools\":{\"paged\":{\"requests\":2,"
                        + "\"min_bytes\":10,\"median_bytes\":455.0,\"max_bytes\":900}},"
                        + "\"instances\":{\"p\":{\"pool\":\"paged\",\"requests\":2,\"counted\":2}},"
                        + "\"reasons\":{\"empty-pool\":1,\"size\":1},\"exceptions\":[{\"index\":1,"
                        + "\"request_id\":\"b\",\"size\":900,\"expected\":\"static\",\"pool\":\"paged\","
                        + "\"instance\":\"p\",\"reason\":\"empty-pool\"}],\"exceptions_total\":1,"
                        + "\"counters_agree\":true}")
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)));
  }

  @ParameterizedTest
  @CsvSource({
    "'', '', openai-chat-infqps-model-20261122-170509.json",
    "run, request_rate=1, run-1.0qps-model-20261122-170509.json",
    "run, request_rate=0.25, run-0.25qps-model-20261122-170509.json"
  })
  void theFileIsNamedAsVllmNamesIt(String label, String flag, String name) throws Exception {
    Map<String, String> flags = new HashMap<>(Map.of("label", label));
    if (!flag.isEmpty()) {
      flags.put("request_rate", flag.substring(flag.indexOf('=') + 1));
    }
    assertThat(result(flags, false, null).fileName()).isEqualTo(name);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a\u0000b\n/c\\\\d", "LONG"})
  void aLabelOfAnyKindIsAPartOfAFilesName(String label) throws Exception {
    String given = label.equals("LONG") ? "漢".repeat(240) : label;
    String name = result(Map.of("label", given), false, null).fileName();
    assertThat(name.getBytes(java.nio.charset.StandardCharsets.UTF_8)).hasSizeLessThan(256);
    assertThat(Path.of("folder").resolve(name).getParent()).isEqualTo(Path.of("folder"));
    assertThat(name).startsWith(label.equals("LONG") ? "漢漢" : "a-b--c-");
  }
}
