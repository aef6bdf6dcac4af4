package org.infinilm.svc.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.workload.Tokenizer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// How a server is reached, what opens it, what its engine says meanwhile, and loads that grow.
class BenchTargetIT {
  private static final String KEY = "sk-a-long-secret";

  @TempDir Path folder;
  private final Arguments io = new Arguments();
  private final List<AutoCloseable> opened = new CopyOnWriteArrayList<>();

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : opened.reversed()) {
      c.close();
    }
  }

  private SimulatedInstance instance(Options options) throws Exception {
    SimulatedInstance i = SimulatedInstance.start(options);
    opened.add(i);
    return i;
  }

  private TlsFront front(int behind) throws Exception {
    TlsFront f = new TlsFront(behind, folder);
    opened.add(f);
    return f;
  }

  private int bench(String url, String flags, Map<String, String> env) throws Exception {
    Map<String, String> all = new HashMap<>();
    all.put("url", url);
    all.put("result_filename", "r.json");
    all.put("result_dir", folder.toString());
    all.put("dataset_name", "custom");
    all.put(
        "dataset_path",
        Files.write(
                folder.resolve("p.jsonl"),
                IntStream.range(0, 12).mapToObj(k -> "{\"prompt\":\"q" + k + "\"}").toList())
            .toString());
    for (String f : flags.isBlank() ? new String[0] : flags.strip().split(" ")) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    return new BenchProgram(io.out, io.err, Ticker.SYSTEM)
        .run(Arguments.of(BenchProgram.PROGRAM, all, List.of(), Map.of()), env, new Interrupts());
  }

  private JsonNode result() throws Exception {
    return Json.tree(Files.readAllBytes(folder.resolve("r.json")));
  }

  @Test
  void aServerBehindHttpsIsMeasuredWhenItsAuthorityIsBelieved() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    TlsFront front = front(server.url().getPort());
    int exit =
        bench(
            front.url(), "max_concurrency=3 custom_output_len=4 ca_file=" + front.caFile, Map.of());
    assertThat(exit).as(io.complained()).isZero();
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(12);
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(48);
    assertThat(r.path("workload").path("url").asText()).isEqualTo(front.url());
    assertThat(server.completed()).isEqualTo(12);
  }

  @Test
  void aCertificateThatIsNotBelievedFailsEveryRequestByItsName() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    TlsFront front = front(server.url().getPort());
    int exit = bench(front.url(), "model=m ready_check_timeout_sec=0", Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("failed").asInt()).isEqualTo(12);
    assertThat(result().path("requests").get(0).path("error").asText()).isEqualTo("TLS");
    assertThat(io.complained()).contains("12 x TLS: TLS: ");
    assertThat(server.completed()).isZero();
  }

  @Test
  void aServerThatSpeaksNoTlsFailsEveryRequestByItsName() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            "https://127.0.0.1:" + server.url().getPort(),
            "model=m ready_check_timeout_sec=0",
            Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("12 x TLS: TLS: ");
  }

  /// An answer of one chunk, without usage.
  private static Response streamed(String text) {
    return streamed(text, "stop");
  }

  private static Response streamed(String text, String reason) {
    String events =
        """
        data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":"%s"}]}

        data: [DONE]

        """
            .formatted(text, reason);
    return new Response(
        200, Headers.of("content-type", "text/event-stream"), events.getBytes(UTF_8), null);
  }

  /// A server that repeats the key it was given, as some do.
  private Server guarded(List<String> unopened) throws Exception {
    Server s =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r -> {
              String given = String.valueOf(r.headers().get("authorization"));
              if (!given.equals("Bearer " + KEY)) {
                unopened.add(r.path());
                return Response.json(
                    401, Map.of("error", Map.of("message", "Incorrect API key: " + given)));
              }
              if (r.path().startsWith("/v1/models")) {
                return Response.json(200, Map.of("data", List.of(Map.of("id", "m"))));
              }
              return r.path().startsWith("/v1/chat") ? streamed("x") : Response.json(404, Map.of());
            });
    opened.add(s);
    return s;
  }

  @Test
  void theKeyOpensAllRequestsToTheServer() throws Exception {
    List<String> unopened = new CopyOnWriteArrayList<>();
    Server server = guarded(unopened);
    String url = "http://127.0.0.1:" + server.port();
    assertThat(bench(url, "api_key=" + KEY, Map.of())).as(io.complained()).isZero();
    assertThat(bench(url, "", Map.of("OPENAI_API_KEY", KEY))).isZero();
    assertThat(unopened).isEmpty();
    assertThat(Files.readString(folder.resolve("r.json"))).doesNotContain(KEY);
    assertThat(io.printed() + io.complained()).doesNotContain(KEY);
  }

  @Test
  void aKeyThatAServerRepeatsIsShownNowhere() throws Exception {
    Server server = guarded(new CopyOnWriteArrayList<>());
    String wrong = KEY + "-of-another";
    int exit =
        bench(
            "http://127.0.0.1:" + server.port(),
            "save_detailed=true model=m api_key=" + wrong,
            Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("Incorrect API key: Bearer (a secret)");
    assertThat(Files.readString(folder.resolve("r.json"))).contains("(a secret)");
    assertThat(Files.readString(folder.resolve("r.json")) + io.printed() + io.complained())
        .doesNotContain(KEY);
  }

  @Test
  void whatTheEngineSaysOfItselfMeanwhileIsInTheResult() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(1));
    int exit =
        bench(
            server.url().toString(),
            "max_concurrency=2 custom_output_len=40 gauges_interval=0.01",
            Map.of());
    assertThat(exit).isZero();
    JsonNode instances = result().path("engines").path("instances");
    assertThat(result().path("engines").path("interval_s").asDouble()).isEqualTo(0.01);
    JsonNode one = instances.path("127.0.0.1:" + server.url().getPort());
    assertThat(one.path("engine").asText()).isEqualTo("vllm");
    assertThat(one.path("running")).hasSameSizeAs(one.path("t_s"));
    double most = 0;
    for (JsonNode v : one.path("running")) {
      most = Math.max(most, v.asDouble());
    }
    assertThat(most).isEqualTo(2);
    assertThat(io.printed()).contains("Engines meanwhile", "(vllm, ", "running mean ");
    assertThat(bench(server.url().toString(), "num_prompts=1 gauges_interval=0", Map.of()))
        .isZero();
    assertThat(result().has("engines")).isFalse();
  }

  @Test
  void whatIsDueWhileTheRateGrowsIsSentAndInNoFigure() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            server.url().toString(),
            "num_prompts=40 custom_output_len=3 request_rate=100 arrival=constant ramp_up=0.2"
                + " save_detailed=true",
            Map.of());
    assertThat(exit).isZero();
    assertThat(server.completed()).isEqualTo(40);
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(30);
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(90);
    assertThat(r.path("ramp_up_requests").asInt()).isEqualTo(10);
    assertThat(r.path("workload").path("ramp_up_s").asDouble()).isEqualTo(0.2);
    assertThat(r.path("ttfts")).hasSize(30);
    assertThat(r.path("requests")).hasSize(40);
    assertThat(r.path("requests").get(9).path("ramp_up").asBoolean()).isTrue();
    assertThat(r.path("requests").get(10).has("ramp_up")).isFalse();
    assertThat(r.path("requests").get(39).path("start_s").asDouble()).isEqualTo(0.49);
    assertThat(r.path("duration").asDouble())
        .isLessThan(
            r.path("requests").get(39).path("start_s").asDouble()
                + r.path("requests").get(39).path("e2e_s").asDouble());
    ResultFile read = ResultFile.read(folder.resolve("r.json"));
    assertThat(read.requests()).hasSize(30);
    assertThat(read.workload()).containsEntry("ramp_up_s", "0.2");
    assertThat(io.printed()).containsPattern("Requests of the ramp-up, left out: +10");
  }

  @Test
  void theUsersOfAClosedLoopJoinOneAfterTheOther() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(1));
    int exit =
        bench(
            server.url().toString(),
            "num_prompts=12 custom_output_len=100 max_concurrency=4 ramp_up=0.3",
            Map.of());
    assertThat(exit).as(io.complained()).isZero();
    JsonNode q = result().path("requests");
    double tolerance = 1e-6;
    for (int k = 0; k < 4; k++) {
      assertThat(q.get(k).path("start_s").asDouble() + q.get(k).path("late_s").asDouble())
          .isGreaterThanOrEqualTo(k * 0.1 - tolerance);
    }
    assertThat(server.completed()).isEqualTo(12);
    assertThat(q.get(0).path("ramp_up").asBoolean()).isTrue();
  }

  @Test
  void tokensThatAServerDoesNotCountAreCountedByTheTokenizer() throws Exception {
    Server server = Server.start(Server.Options.at("127.0.0.1", 0), _ -> streamed("one two three"));
    opened.add(server);
    String url = "http://127.0.0.1:" + server.port();
    try (Tokenizer t = Tokenizer.of("model/tokenizer", folder)) {
      assertThat(bench(url, "model=m tokenizer=model/tokenizer", Map.of())).isZero();
      JsonNode r = result();
      int words = t.count("one two three");
      assertThat(words).isGreaterThan(1);
      assertThat(r.path("total_output_tokens").asInt()).isEqualTo(12 * words);
      assertThat(r.path("requests").get(11).path("input_tokens").asInt()).isEqualTo(t.count("q11"));
      assertThat(r.path("tokenizer_id").asText()).isEqualTo("model/tokenizer");
      assertThat(io.complained())
          .contains("12 answers without usage; their tokens are counted by --tokenizer");
    }
    for (String other : List.of("", " tokenizer=facebook/opt-125m")) {
      assertThat(bench(url, "model=m" + other, Map.of())).as("as vLLM's bench is called").isZero();
      assertThat(result().path("total_output_tokens").asInt()).as("one a chunk").isEqualTo(12);
    }
    assertThat(io.complained())
        .contains("warning: tokens are not counted here: --tokenizer: facebook/opt-125m");
  }

  @Test
  void answersWithoutUsageThatTheCacheCutAreNoSuccessesWhereTheyCanBeCounted() throws Exception {
    Server server =
        Server.start(Server.Options.at("127.0.0.1", 0), _ -> streamed("one two", "length"));
    opened.add(server);
    String url = "http://127.0.0.1:" + server.port();
    int exit = bench(url, "model=m tokenizer=model/tokenizer custom_output_len=64", Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("truncated").asInt()).isEqualTo(12);
    assertThat(result().path("completed").asInt()).isZero();
    assertThat(result().path("requests").get(0).path("outcome").asText()).isEqualTo("truncated");
  }

  @Test
  void theFolderOfTheResultIsMadeAndANameThatCannotBeIsFoundFirst() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    String url = server.url().toString();
    assertThat(bench(url, "result_filename=sub/r.json", Map.of())).isZero();
    assertThat(folder.resolve("sub/r.json")).isNotEmptyFile();
    for (String name : List.of("x".repeat(300), "a\0b", folder.toString())) {
      assertThatThrownBy(() -> bench(url, "result_filename=" + name, Map.of()))
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining("--result-filename");
    }
    assertThat(server.completed()).as("nothing was measured in vain").isEqualTo(12);
  }

  @Test
  void aResultThatCannotBeWrittenWhereItShouldIsKeptElsewhere() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    // in the way of the file that is written before it is moved
    Files.createDirectories(folder.resolve(".r.json.part").resolve("in the way"));
    assertThat(bench(server.url().toString(), "", Map.of())).isEqualTo(1);
    String said = io.complained();
    assertThat(said).contains("r.json cannot be written").contains("the result is in ");
    Path kept = Path.of(said.replaceAll("(?s).*the result is in (.*?) instead.*", "$1"));
    assertThat(Json.tree(Files.readAllBytes(kept)).path("completed").asInt()).isEqualTo(12);
    Files.delete(kept);
  }

  @Test
  void anOddEntryOfTheFleetEndsNoRunAndNoControlCodesAreTold() throws Exception {
    String services =
        "{\"services\":[{\"name\":\"odd\",\"host\":\"bad host|\",\"port\":80,\"metadata\":{}}]}";
    Server server =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r ->
                r.path().startsWith("/services")
                    ? Response.json(200, Json.tree(services.getBytes(UTF_8)))
                    : Response.json(
                        400,
                        Map.of("error", Map.of("message", "\u001b[31mred\u0007", "code", "x"))));
    opened.add(server);
    int exit = bench("http://127.0.0.1:" + server.port(), "model=m", Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("failed").asInt()).isEqualTo(12);
    assertThat(io.printed() + io.complained() + result())
        .contains("[31mred")
        .doesNotContain("\u001b")
        .doesNotContain("\u0007");
  }

  @Test
  void aRunThatIsNothingButRampUpSaysSo() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(server.url().toString(), "request_rate=200 arrival=constant ramp_up=60", Map.of());
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("all 12 requests were due within --ramp-up");
  }
}
