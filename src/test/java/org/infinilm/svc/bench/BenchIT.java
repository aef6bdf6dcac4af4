package org.infinilm.svc.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Runs against a simulated instance without a router.
class BenchIT {
  @TempDir Path folder;
  private final Arguments io = new Arguments();
  private final List<SimulatedInstance> instances = new ArrayList<>();

  @AfterEach
  void end() {
    instances.forEach(SimulatedInstance::close);
  }

  private SimulatedInstance instance(Options options) throws IOException {
    SimulatedInstance i = SimulatedInstance.start(options);
    instances.add(i);
    return i;
  }

  private Path lines(int n) throws IOException {
    Path file = folder.resolve("prompts.jsonl");
    Files.write(
        file,
        IntStream.range(0, n)
            .mapToObj(k -> "{\"prompt\":\"question " + k + " " + "word ".repeat(k) + "\"}")
            .toList());
    return file;
  }

  private int bench(Map<String, String> flags) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.putIfAbsent("result_filename", "r.json");
    all.putIfAbsent("result_dir", folder.toString());
    return new BenchProgram(io.out, io.err, Ticker.SYSTEM)
        .run(
            Arguments.of(BenchProgram.PROGRAM, all, List.of(), Map.of()),
            Map.of(),
            new Interrupts());
  }

  private JsonNode result() throws IOException {
    return Json.tree(Files.readAllBytes(folder.resolve("r.json")));
  }

  @Test
  void aClosedLoopKeepsItsBoundAndMeasuresEveryRequest() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            Map.of(
                "url",
                server.url().toString(),
                "dataset_name",
                "custom",
                "dataset_path",
                lines(12).toString(),
                "custom_output_len",
                "5",
                "max_concurrency",
                "3",
                "save_detailed",
                "true"));
    assertThat(io.complained()).doesNotContain("failed");
    assertThat(exit).isZero();
    assertThat(server.completed()).isEqualTo(12);
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(12);
    assertThat(r.path("failed").asInt()).isZero();
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(60);
    assertThat(r.path("total_input_tokens").asInt()).isPositive();
    assertThat(r.path("max_concurrent_requests").asInt()).isPositive();
    assertThat(r.path("complete").asBoolean()).isTrue();
    assertThat(r.path("requests"))
        .hasSize(12)
        .allMatch(q -> q.path("outcome").asText().equals("ok"));
    assertThat(r.path("ttfts")).hasSize(12);
    assertThat(r.path("workload").path("sha256").asText()).hasSize(64);
    assertThat(r.path("routing").isNull()).isTrue();
    assertThat(io.printed()).contains("Serving Benchmark Result", "Successful requests:");
  }

  @Test
  void anOpenLoopSendsAtItsRate() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            Map.of(
                "url",
                server.url().toString(),
                "backend",
                "openai",
                "endpoint",
                "/v1/chat/completions",
                "dataset_name",
                "custom",
                "dataset_path",
                lines(5).toString(),
                "custom_output_len",
                "3",
                "num_prompts",
                "40",
                "request_rate",
                "100"));
    assertThat(exit).isZero();
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(40);
    assertThat(r.path("duration").asDouble()).isBetween(0.4, 5.0);
    assertThat(r.path("request_rate").asDouble()).isEqualTo(100);
    assertThat(new String(server.lastRequest().body(), java.nio.charset.StandardCharsets.UTF_8))
        .contains("\"prompt\":\"question", "\"repetition_penalty\":1.0", "\"logprobs\":null");
  }
}
