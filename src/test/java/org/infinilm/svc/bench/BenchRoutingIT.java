package org.infinilm.svc.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntBinaryOperator;
import java.util.function.LongUnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Routing accuracy behind a real router, which runs as a process of its own.
class BenchRoutingIT {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final Pattern ADDRESS = Pattern.compile("router on 127\\.0\\.0\\.1:(\\d+)");

  /// Of the proxies that lie: between small and large prompts in bytes and in tokens.
  private static final int SAID_THRESHOLD = 500;

  @TempDir Path folder;
  private final Arguments io = new Arguments();
  private final Client client = Client.create();
  private final List<SimulatedInstance> instances = new ArrayList<>();
  private Process router;
  private URI url;

  @BeforeEach
  void start() throws IOException {
    SimulatedInstance paged = SimulatedInstance.start(Options.paged("paged-1", "m").speed(0));
    SimulatedInstance fixed =
        SimulatedInstance.start(Options.ofStatic("static-1", "m").maxCacheLen(65536).speed(0));
    instances.addAll(List.of(paged, fixed));
    List<String> command =
        new ArrayList<>(
            List.of(
                java(),
                "-XX:TieredStopAtLevel=1",
                "-jar",
                System.getProperty("infini.jar"),
                "router",
                "--host",
                "127.0.0.1",
                "--router-port",
                "0",
                "--threshold",
                "2000",
                "--health-interval",
                "0.2"));
    for (SimulatedInstance i : instances) {
      String type = i == paged ? "paged" : "static";
      command.add("--instance");
      command.add(i.url() + ",name=" + i.name() + ",cache_type=" + type);
    }
    router = new ProcessBuilder(command).redirectErrorStream(true).start();
    url = URI.create("http://127.0.0.1:" + port(router));
    await().atMost(SOON).until(() -> healthy().equals("2/2"));
  }

  @AfterEach
  void end() {
    router.destroyForcibly();
    instances.forEach(SimulatedInstance::close);
  }

  private static String java() {
    return ProcessHandle.current().info().command().orElseThrow();
  }

  private static String port(Process p) throws IOException {
    BufferedReader out = p.inputReader();
    String found = "";
    for (String line = out.readLine(); found.isEmpty(); line = out.readLine()) {
      if (line == null) {
        throw new IOException("ended before it listened");
      }
      Matcher m = ADDRESS.matcher(line);
      found = m.find() ? m.group(1) : "";
    }
    Thread.ofVirtual().start(() -> out.lines().forEach(l -> {}));
    return found;
  }

  private String healthy() throws Exception {
    return Json.tree(client.get(url.resolve("/health"), SOON).body())
        .path("healthy_services")
        .asText();
  }

  /// Every third prompt is large.
  private Path prompts() throws IOException {
    return Files.write(
        folder.resolve("d.jsonl"),
        IntStream.range(0, 30)
            .mapToObj(
                k -> "{\"prompt\":\"p" + k + " " + "word ".repeat(k % 3 == 0 ? 800 : 10) + "\"}")
            .toList());
  }

  private JsonNode bench() throws Exception {
    int exit =
        new BenchProgram(io.out, io.err, Ticker.SYSTEM)
            .run(
                Arguments.of(
                    BenchProgram.PROGRAM,
                    Map.of(
                        "url",
                        url.toString(),
                        "dataset_name",
                        "custom",
                        "dataset_path",
                        prompts().toString(),
                        "custom_output_len",
                        "3",
                        "max_concurrency",
                        "4",
                        "result_filename",
                        folder.resolve("r.json").toString()),
                    List.of(),
                    Map.of()),
                Map.of(),
                new Interrupts());
    assertThat(exit).isZero();
    return Json.tree(Files.readAllBytes(folder.resolve("r.json"))).path("routing");
  }

  @Test
  void aHealthyDeploymentIsAccurateAndItsCountersSaySo() throws Exception {
    JsonNode r = bench();
    assertThat(r.path("accuracy").asDouble()).as("%s", r).isEqualTo(1.0);
    assertThat(r.path("checked").asInt()).isEqualTo(30);
    assertThat(r.path("metric").asText()).isEqualTo("body");
    assertThat(r.path("threshold").asInt()).isEqualTo(2000);
    assertThat(r.path("size_mismatches").asInt()).isZero();
    assertThat(r.path("counters_agree").asBoolean()).isTrue();
    assertThat(r.path("proven").asInt()).isEqualTo(30);
    assertThat(r.path("misattributed").asInt()).isZero();
    assertThat(r.path("exceptions")).isEmpty();
    assertThat(r.path("pools").path("static").path("requests").asInt()).isEqualTo(10);
    assertThat(r.path("pools").path("static").path("min_bytes").asInt()).isGreaterThan(2000);
    assertThat(r.path("pools").path("paged").path("max_bytes").asInt()).isLessThanOrEqualTo(2000);
    assertThat(r.path("instances").path("paged-1").path("counted").asInt()).isEqualTo(20);
    assertThat(instances.get(1).completed()).isEqualTo(10);
    assertThat(io.printed()).contains("Routing accuracy:", "100.00 % (30 of 30)");
    JsonNode engines = Json.tree(Files.readAllBytes(folder.resolve("r.json"))).path("engines");
    assertThat(engines.path("instances").properties())
        .extracting(Map.Entry::getKey)
        .containsExactly("paged-1", "static-1");
    assertThat(engines.path("instances").path("static-1").path("engine").asText())
        .isEqualTo("vllm");
  }

  @Test
  void withThePoolOfLargeRequestsStoppedEachOfThemIsAnException() throws Exception {
    instances.get(1).close();
    await().atMost(SOON).until(() -> healthy().equals("1/2"));
    JsonNode r = bench();
    assertThat(r.path("accuracy").asDouble()).isEqualTo(20 / 30.0);
    assertThat(r.path("exceptions")).hasSize(10);
    assertThat(r.path("exceptions"))
        .allMatch(e -> e.path("reason").asText().equals("empty-pool"))
        .allMatch(e -> e.path("expected").asText().equals("static"))
        .allMatch(e -> e.path("instance").asText().equals("paged-1"));
    assertThat(io.printed()).contains("Exceptions (10):", "empty-pool");
  }

  /// Sends each request to the other pool than it says.
  private Server liar() throws IOException {
    return proxy(null, (k, size) -> 1 - k, size -> size);
  }

  /// Says that every request is small, in a unit of its own, and sends all to the paged pool.
  private Server belittler(String metric) throws IOException {
    return proxy(metric, (k, size) -> 0, size -> 1);
  }

  /// @param metric what it says that it measures; null: what the router says
  /// @param to where a request goes, from where it belongs by its size: 0 paged, 1 static
  /// @param said the size that it names, from the bytes; where it says that a request went follows
  private Server proxy(@Nullable String metric, IntBinaryOperator to, LongUnaryOperator said)
      throws IOException {
    URI honest = url;
    return Server.start(
        Server.Options.at("127.0.0.1", 0),
        request -> {
          try {
            if (request.method().equals("GET")) {
              if (metric != null && request.path().startsWith("/decisions")) {
                return Response.json(200, Map.of("decisions", List.of(Map.of("metric", metric))));
              }
              Client.Reply r = client.get(honest.resolve(request.path()), SOON);
              return new Response(r.status(), Headers.NONE, r.body(), null);
            }
            int bytes = request.body().length;
            boolean small = said.applyAsLong(bytes) <= SAID_THRESHOLD;
            SimulatedInstance other =
                instances.get(to.applyAsInt(bytes <= SAID_THRESHOLD ? 0 : 1, bytes));
            Client.Reply r =
                client.send(
                    "POST",
                    other.url().resolve(request.path()),
                    Headers.of("content-type", "application/json"),
                    request.body(),
                    SOON);
            return new Response(
                    r.status(), Headers.of("content-type", "text/event-stream"), r.body(), null)
                .with("x-infini-pool", small ? "paged" : "static")
                .with("x-infini-instance", small ? "paged-1" : "static-1")
                .with("x-infini-reason", "size")
                .with("x-infini-size", "" + said.applyAsLong(bytes))
                .with("x-infini-threshold", "" + SAID_THRESHOLD);
          } catch (IOException e) {
            return Response.empty(502);
          }
        });
  }

  @Test
  void aProxyThatSwapsThePoolsAndNamesTheRightOnesIsFound() throws Exception {
    bench();
    Server liar = liar();
    url = URI.create("http://127.0.0.1:" + liar.port());
    JsonNode r = bench();
    liar.close();
    assertThat(r.path("proven").asInt()).as("%s", r).isEqualTo(30);
    assertThat(r.path("misattributed").asInt()).isEqualTo(30);
    assertThat(r.path("accuracy").asDouble()).isZero();
    assertThat(r.path("counters_agree").asBoolean(true)).isFalse();
    assertThat(io.printed())
        .contains("request 0 was answered by paged-1 (expected: static-1, which the router named)");
  }

  @ParameterizedTest
  @CsvSource({"tokens, 0", "characters, 30"})
  void aProxyThatNamesAnotherUnitAndSmallSizesProvesNothing(String metric, int claimed)
      throws Exception {
    try (Server belittler = belittler(metric)) {
      url = URI.create("http://127.0.0.1:" + belittler.port());
      JsonNode r = bench();
      assertThat(r.path("metric").asText()).isEqualTo(metric);
      assertThat(r.path("pools").path("paged").path("requests").asInt()).as("%s", r).isEqualTo(30);
      assertThat(r.path("claimed").asInt()).isEqualTo(claimed);
      assertThat(r.path("accuracy").isNull()).isEqualTo(claimed == 30);
      assertThat(r.path("accuracy").asDouble()).isLessThan(0.7);
    }
    assertThat(io.printed()).doesNotContain("100.00 %");
    assertThat(io.printed().contains("Routing accuracy:                        not proven"))
        .isEqualTo(claimed == 30);
  }

  @Test
  void anotherLoadGeneratorIsObserved() throws Exception {
    List<String> command =
        List.of(
            java(),
            "-XX:TieredStopAtLevel=1",
            "-jar",
            System.getProperty("infini.jar"),
            "bench",
            "--url",
            url.toString(),
            "--dataset-name",
            "custom",
            "--dataset-path",
            prompts().toString(),
            "--result-dir",
            folder.toString());
    List<String> foreign = new ArrayList<>(command);
    foreign.addAll(List.of("--label", "theirs"));
    int exit =
        new BenchProgram(io.out, io.err, Ticker.SYSTEM)
            .run(
                Arguments.of(
                    BenchProgram.PROGRAM,
                    Map.of("url", url.toString(), "observe", folder.toString()),
                    foreign,
                    Map.of()),
                Map.of(),
                new Interrupts());
    assertThat(exit).as(io.complained()).isZero();
    assertThat(io.printed()).contains("Routing added to: ", "100.00 % (30 of 30)");
    int missing =
        new BenchProgram(io.out, io.err, Ticker.SYSTEM)
            .run(
                Arguments.of(
                    BenchProgram.PROGRAM,
                    Map.of("url", url.toString(), "observe", folder.resolve("no").toString()),
                    List.of("sh", "-c", "exit 7"),
                    Map.of()),
                Map.of(),
                new Interrupts());
    assertThat(missing).isEqualTo(7);
    assertThat(io.complained()).contains("the command did not write it");
  }
}
