package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.Registration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
  /// As the original's case files are written.
  private static final String CASE =
      """
      # Paged cache instance
      name = "paged-cache-9g_8b_thinking"
      host = "0.0.0.0"
      port = 8100
      registry_url = "http://localhost:18000"
      router_url = "http://localhost:8000"

      [babysitter]
      max_restarts = 10000
      restart_delay = 5   # seconds
      heartbeat_interval = 30

      [backend]
      type = "command"
      command = "/opt/conda/bin/python"
      args = [
        "/workspace/InfiniLM/python/infinilm/server/inference_server.py", # the server
        "--metax",
        "--model_path", "/models/9g_8b_thinking",
        "--max_batch_size", "8",
        "--num_blocks", "8192", "--block_size=16",
        "--host", "0.0.0.0",
        "--port", "8100",
        "--cache_type", "paged",
      ]
      work_dir = "/"

      [backend.env]
      CUDA_VISIBLE_DEVICES = "0"
      PYTHONPATH = "/workspace/InfiniLM/python:/workspace/InfiniCore/python"

      [metadata]
      cache_type = "paged"
      static = true
      """;

  @TempDir Path dir;

  private Settings read(String toml, String... flags) throws ConfigException, IOException {
    Map<String, String> given = new HashMap<>();
    if (!toml.isEmpty()) {
      Path file = Files.writeString(dir.resolve("case.toml"), toml);
      given.put("config_file", file.toString());
    }
    for (String f : flags) {
      int eq = f.indexOf('=');
      given.put(f.substring(0, eq), f.substring(eq + 1));
    }
    return SettingsReader.read(
        Config.resolve(Flags.ALL, given, Map.of(), null), registry -> "10.1.2.3");
  }

  @Test
  void aCaseFileOfTheOriginalIsReadUnchanged() throws Exception {
    Settings s = read(CASE);
    assertThat(s.warnings()).isEmpty();
    assertThat(s.name()).isEqualTo("paged-cache-9g_8b_thinking");
    assertThat(s.serverName()).isEqualTo("paged-cache-9g_8b_thinking-server");
    assertThat(s.ownPort()).isEqualTo(8101);
    assertThat(s.addresses()).isEqualTo(new Addresses("0.0.0.0", "127.0.0.1", "127.0.0.1"));
    assertThat(s.backend().argv(s, null))
        .startsWith("/opt/conda/bin/python")
        .endsWith("--cache_type", "paged")
        .hasSize(16);
    assertThat(s.backend().env()).containsEntry("CUDA_VISIBLE_DEVICES", "0").hasSize(2);
    assertThat(s.metadata()).containsEntry("cache_type", "paged").containsEntry("static", true);
    assertThat(s.limits().maxRestarts()).isEqualTo(10_000);
    assertThat(s.limits().restartDelay()).isEqualTo(Duration.ofSeconds(5));
    assertThat(s.heartbeatInterval()).isEqualTo(Duration.ofSeconds(30));
    assertThat(Entries.server(s, Entries.configured(List.of("m")), 0).metadata())
        .containsEntry("num_blocks", 8192L)
        .containsEntry("block_size", 16L)
        .containsEntry("models", List.of("m"))
        .containsEntry("parent_service", "paged-cache-9g_8b_thinking")
        .containsEntry("type", "openai-api");
  }

  /// The files of the four earlier deployments, field by field from the compatibility notes: name,
  /// port, GPUs, tensor parallelism, cache type, further arguments.
  @ParameterizedTest
  @CsvSource({
    "paged-cache-9g_8b_thinking, 8100, 0, 1, paged, --num_blocks=512",
    "static-cache-9g_8b_thinking, 8200, 2, 1, static, --max_cache_len=4096",
    "paged-cache-9g_8b_thinking-2, 8300, 3, 1, paged, --num_blocks=512",
    "paged-cache-qwen3-32b, 8100, '0,1,2,3', 4, paged, --block_size=16",
    "static-cache-qwen3-32b, 8200, '4,5,6,7', 4, static, --max_cache_len=16384",
    "paged-cache-qwen3-32b-2, 8300, '4,5,6,7', 4, paged, --block_size=16",
    "master-9g_8b_thinking, 8100, 1, 1, '', --log_level=INFO",
    "slave-9g_8b_thinking, 8200, 2, 1, '', --log_level=INFO",
    "slave2-Qwen3-32B, 8200, '0,1', 2, '', --log_level=INFO"
  })
  void theFilesOfTheEarlierDeploymentsAreReadUnchanged(
      String name, int port, String gpus, int tp, String cache, String more) throws Exception {
    String toml =
        """
        # an instance of the case
        name = "%s"
        host = "0.0.0.0"
        port = %d
        registry_url = "http://localhost:18000"
        router_url = "http://localhost:8000"

        [babysitter]
        max_restarts = 10000
        restart_delay = 5
        heartbeat_interval = 30

        [backend]
        type = "command"
        command = "/opt/conda/bin/python"
        args = [
            "/workspace/InfiniLM/python/infinilm/server/inference_server.py", "--metax",
            "--model_path", "/models/m", "--max_batch_size", "8", "--tp", "%d",
            "--temperature", "1.0", "--top_p", "0.8", "--top_k", "1",
            "--host", "0.0.0.0", "--port", "%d",%s "%s",
        ]

        [backend.env]
        HPCC_VISIBLE_DEVICES = "%s"
        """
            .formatted(
                name,
                port,
                tp,
                port,
                cache.isEmpty() ? "" : " \"--cache_type\", \"" + cache + "\",",
                more,
                gpus);
    if (!cache.isEmpty()) {
      toml += "\n[metadata]\ncache_type = \"" + cache + "\"\nstatic = true\n";
    }
    Settings s = read(toml);
    assertThat(s.warnings()).isEmpty();
    assertThat(s.name()).isEqualTo(name);
    assertThat(s.port()).isEqualTo(port);
    assertThat(s.backend().env()).containsExactly(Map.entry("HPCC_VISIBLE_DEVICES", gpus));
    List<String> argv = s.backend().argv(s, null);
    assertThat(argv).startsWith("/opt/conda/bin/python").endsWith(more).contains("--tp", "" + tp);
    Map<String, Object> metadata =
        Entries.server(s, Entries.configured(List.of("m")), 0).metadata();
    if (cache.isEmpty()) {
      assertThat(metadata).doesNotContainKey("cache_type").doesNotContainKey("static");
    } else {
      assertThat(metadata).containsEntry("cache_type", cache).containsEntry("static", true);
    }
    String flag = more.substring(2, more.indexOf('='));
    String value = more.substring(more.indexOf('=') + 1);
    if (!flag.equals("log_level")) {
      assertThat(metadata).containsEntry(flag, Long.parseLong(value));
    }
  }

  @Test
  void theShippedCaseFilesAreReadWithoutAWarning() throws Exception {
    try (Stream<Path> files = Files.walk(Path.of("deployment", "cases"))) {
      List<Path> tomls = files.filter(f -> f.toString().endsWith(".toml")).toList();
      assertThat(tomls).hasSizeGreaterThanOrEqualTo(2);
      for (Path toml : tomls) {
        assertThat(read("", "config_file=" + toml).warnings()).as(toml.toString()).isEmpty();
      }
    }
  }

  @Test
  void explicitFlagsWinOverTheFile() throws Exception {
    Settings s =
        read(
            CASE,
            "name=other",
            "port=9000",
            "host=192.168.1.5",
            "registry_url=http://10.0.0.1:18000/",
            "restart_delay=0.5",
            "env=A=1 CUDA_VISIBLE_DEVICES=3",
            "args=--x  y",
            "router_url=http://ignored:8000");
    assertThat(s.name()).isEqualTo("other");
    assertThat(s.port()).isEqualTo(9000);
    assertThat(s.addresses()).isEqualTo(new Addresses("0.0.0.0", "192.168.1.5", "127.0.0.1"));
    assertThat(String.valueOf(s.registry())).isEqualTo("http://10.0.0.1:18000/");
    assertThat(s.limits().restartDelay()).isEqualTo(Duration.ofMillis(500));
    assertThat(s.backend().env())
        .containsEntry("A", "1")
        .containsEntry("CUDA_VISIBLE_DEVICES", "3")
        .hasSize(3);
    assertThat(s.backend().argv(s, null)).containsExactly("/opt/conda/bin/python", "--x", "y");
  }

  @Test
  void withoutAFileTheFlagsAreEnough() throws Exception {
    Settings s = read("", "port=8100", "command=python3 -m x", "args=--model X");
    assertThat(s.name()).isEqualTo("command-8100");
    assertThat(s.addresses()).isEqualTo(new Addresses("127.0.0.1", "localhost", "127.0.0.1"));
    assertThat(s.backend().argv(s, null)).containsExactly("python3", "-m", "x", "--model", "X");
    Settings v = read("", "port=8100", "service_type=vLLM", "path=/m", "ndev=2");
    assertThat(v.name()).isEqualTo("vllm-8100");
    assertThat(v.backend().argv(v, null))
        .containsSequence("/m", "--port", "8100", "--host", "127.0.0.1")
        .endsWith("--tensor-parallel-size", "2");
  }

  @Test
  void eachBackendTypeRunsItsCommand() throws Exception {
    String infinilm =
        """
        port = 8100
        [backend]
        type = "infinilm"
        model_path = "/m"
        args = ["--tp", "2"]
        work_dir = "%s"
        """;
    Path today = Files.createDirectories(dir.resolve("today"));
    Settings i = read(infinilm.formatted(today) + "[metadata]\ncache_type = \"paged\"\n");
    assertThat(i.backend().argv(i, null))
        .containsExactly(
            "python3",
            "python/infinilm/server/inference_server.py",
            "--model",
            "/m",
            "--port",
            "8100",
            "--host",
            "127.0.0.1",
            "--enable-paged-attn",
            "--tp",
            "2");
    Settings fixed = read(infinilm.formatted(today) + "cache_type = \"static\"\n");
    assertThat(fixed.backend().argv(fixed, null)).doesNotContain("--enable-paged-attn");
    Settings unsaid = read(infinilm.formatted(today), "dev=nvidia", "max_batch=4");
    assertThat(unsaid.backend().cacheType()).hasToString("STATIC");
    assertThat(unsaid.backend().argv(unsaid, null))
        .endsWith("--device", "nvidia", "--max-batch-size", "4");
    Path before = Files.createDirectories(dir.resolve("before"));
    Files.writeString(before.resolve("launch_server.py"), "");
    Settings o = read(infinilm.formatted(before), "dev=nvidia");
    assertThat(o.backend().argv(o, null))
        .containsExactly(
            "python3",
            "launch_server.py",
            "--model_path",
            "/m",
            "--port",
            "8100",
            "--host",
            "127.0.0.1",
            "--tp",
            "2",
            "--nvidia");
    Path bin = Files.createDirectories(dir.resolve("venv"));
    Files.writeString(bin.resolve("vllm"), "#!/bin/sh\n");
    assertThat(bin.resolve("vllm").toFile().setExecutable(true)).isTrue();
    Settings v =
        read(
            "port = 1\n[backend]\ntype = \"vllm\"\nmodel = \"/m\"\nenv = { PATH = \"%s\" }\n"
                .formatted(bin));
    assertThat(v.backend().argv(v, null))
        .containsExactly("vllm", "serve", "/m", "--port", "1", "--host", "127.0.0.1");
    Settings r =
        read("port = 8100\n[backend]\ntype = \"infinilm-rust\"\nconfig_file = \"/c.toml\"\n");
    assertThat(r.backend().argv(r, null))
        .containsExactly("xtask", "service", "/c.toml", "-p", "8100");
    Path home = dir.resolve("home");
    Files.createDirectories(home.resolve("bin"));
    Path launcher = Files.writeString(home.resolve("bin/infini"), "");
    assertThat(launcher.toFile().setExecutable(true)).isTrue();
    Settings e =
        read(
            "port = 8100\n[backend]\ntype = \"engine\"\ncache_type = \"static\"\nargs = [\"--max_cache_len\", \"512\"]\n");
    assertThat(e.backend().argv(e, home.toString()))
        .containsExactly(
            launcher.toString(),
            "engine",
            "--host",
            "127.0.0.1",
            "--port",
            "8100",
            "--cache_type",
            "static",
            "--max_cache_len",
            "512");
    assertThat(e.backend().cacheType()).isEqualTo(CacheType.STATIC);
    assertThat(Entries.server(e, List.of(), 0).metadata())
        .containsEntry("cache_type", "static")
        .containsEntry("max_cache_len", 512L);
  }

  /// The files of other servers in docs/babysitter.md, as a user copies them.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llama-server|llama-server,-m,/models/qwen3-8b.gguf,--alias,qwen3-8b,--host,127.0.0.1,--port,8100,-c,32768,--parallel,8,--metrics",
        "--embeddings|llama-server,-m,/models/bge-m3.gguf,--alias,bge-m3,--host,127.0.0.1,--port,8102,-c,8192,-ub,8192,--embeddings,--metrics",
        "sglang.launch_server|python3,-m,sglang.launch_server,--model-path,/models/Qwen3-8B,--served-model-name,qwen3-8b,--host,127.0.0.1,--port,8100,--enable-metrics",
        "ollama serve|ollama,serve",
      })
  void theDocumentedFilesOfOtherServersRunTheirCommands(String command, String argv)
      throws Exception {
    String page = Files.readString(Path.of("docs", "babysitter.md"));
    String file =
        Arrays.stream(page.split("```"))
            .filter(b -> b.startsWith("toml\n") && b.contains(command))
            .findFirst()
            .orElseThrow()
            .substring("toml\n".length());
    Settings s = read(file);
    assertThat(s.backend().argv(s, null)).containsExactly(argv.split(","));
    assertThat(s.metadata()).containsEntry("cache_type", "paged");
    assertThat(s.warnings()).isEmpty();
  }

  @Test
  void aMissingProgramIsNamedWithThePlacesLookedAt() throws Exception {
    Settings m = read("port = 8100\n[backend]\ntype = \"mock\"\nmodels = [\"a\", \"b\",]\n");
    assertThatThrownBy(() -> m.backend().argv(m, null))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("rust/tests/integration/mock_service.py")
        .hasMessageContaining("tests/integration/mock_service.py");
    Settings e = read("port = 8100\n[backend]\ntype = \"engine\"\n");
    assertThatThrownBy(() -> e.backend().argv(e, null))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("INFINI_HOME");
  }

  /// A secret that is mounted, or made with `echo`, ends with a line break.
  @Test
  void aKeyIsSentWithoutItsLineBreakAndRefusedWithAnotherControlCharacter() throws Exception {
    String file =
        """
        port = 8100
        [backend]
        type = "command"
        command = "true"
        api_key_env = "K"
        [backend.env]
        K = "s3cret%s"
        """;
    for (String end : List.of("", "\\n", "\\r\\n")) {
      Settings s = read(file.formatted(end));
      s.backend().checkKey(Map.of());
      assertThat(s.backend().apiKey(Map.of())).isEqualTo("s3cret");
    }
    for (String within : List.of("\\nx", "\\u0001", "\\u007f")) {
      Settings s = read(file.formatted(within));
      assertThatThrownBy(() -> s.backend().checkKey(Map.of()))
          .isInstanceOf(ConfigException.class)
          .hasMessage(
              "K: a control character at position 7 (expected: a key of visible ASCII characters)");
    }
    Settings outer = read(file.substring(0, file.indexOf("[backend.env]")));
    assertThat(outer.backend().apiKey(Map.of("K", "o\n"))).isEqualTo("o");
    assertThatThrownBy(() -> outer.backend().checkKey(Map.of("K", "\u0000")))
        .isInstanceOf(ConfigException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "registry_url = \"http://user:s3cret@127.0.0.1:9\"\n[backend]\n",
        "registry_url = \"http://127.0.0.1:9/?token=s3cret\"\n[backend]\n",
        "[backend]\nargs = [\"--api-key\", 6789098700]\n",
      })
  void whatIsWrongBesideASecretIsSaidWithoutIt(String lines) {
    assertThatThrownBy(
            () -> read("port = 8100\n" + lines + "type = \"command\"\ncommand = \"true\"\n"))
        .isInstanceOf(ConfigException.class)
        .hasMessageNotContaining("s3cret")
        .hasMessageNotContaining("6789098700");
  }

  @Test
  void anArgumentWithASpaceStaysOneAndIsWarnedOf() throws Exception {
    Settings s =
        read(
            "port = 8100\n[backend]\ntype = \"command\"\ncommand = \"sh\"\nargs = [\"-c\", \"sleep 1; true\", \"--model x\"]\n");
    assertThat(s.backend().argv(s, null)).containsExactly("sh", "-c", "sleep 1; true", "--model x");
    assertThat(s.warnings())
        .singleElement()
        .asString()
        .contains("case.toml:5")
        .contains("element 2");
  }

  @Test
  void unknownKeysAreWarningsWithTheirLineAndTheNearestKey() throws Exception {
    Settings s =
        read(
            "port = 8100\nregistry_ur = \"x\"\n[babysitter]\nheartbeat_intervall = 3\n[backend]\ntype = \"command\"\ncommand = \"x\"\nworkdir = \"/\"\n[metadata]\nanything = 1\n");
    assertThat(s.warnings())
        .satisfiesExactlyInAnyOrder(
            w -> assertThat(w).contains("case.toml:2").contains("\"registry_url\""),
            w -> assertThat(w).contains("case.toml:4").contains("\"heartbeat_interval\""),
            w -> assertThat(w).contains("case.toml:8").contains("\"work_dir\""));
  }

  @Test
  void weightAndModelsMayStandInThreePlaces() throws Exception {
    String backend = "[backend]\ntype = \"command\"\ncommand = \"x\"\n";
    for (String toml :
        List.of(
            "port = 1\nweight = 3\nmodels = [\"m\"]\n" + backend,
            "port = 1\n" + backend + "weight = 3\nmodels = [\"m\"]\n",
            "port = 1\n" + backend + "[metadata]\nweight = 3\nmodels = [\"m\"]\n")) {
      Settings s = read(toml);
      assertThat(s.weight()).isEqualTo(3);
      assertThat(s.models()).containsExactly("m");
      assertThat(s.warnings()).isEmpty();
    }
  }

  @Test
  void aRegistryHostMayHoldUnderscoresAsContainerNamesDo() throws Exception {
    Settings s =
        read(
            CASE.replace(
                "registry_url = \"http://localhost:18000\"",
                "registry_url = \"http://infini_registry:18000\""));

    assertThat(s.registry()).hasToString("http://infini_registry:18000");
  }

  @Test
  void aFileOfAWindowsEditorIsReadAsAnyOther() throws Exception {
    String windows = "\ufeff" + CASE.replace(" = ", "\t=\t").replace("\n", "\r\n");
    Settings s = read(windows);
    assertThat(s.warnings()).isEmpty();
    assertThat(s.name()).isEqualTo("paged-cache-9g_8b_thinking");
    assertThat(s.backend().argv(s, null)).isEqualTo(read(CASE).backend().argv(s, null));
    assertThat(s.metadata()).containsEntry("cache_type", "paged");
  }

  @Test
  void probeAndLogFileAreReadAndCheckedBesideTheirFile() throws Exception {
    String head = "port = 1\n[backend]\ntype = \"command\"\ncommand = \"x\"\n[babysitter]\n";
    Settings s = read(head + "probe = \"completion\"\nlog_file = \"s.log\"\n");
    assertThat(s.probeCompletion()).isTrue();
    assertThat(s.logFile()).isEqualTo(dir.resolve("s.log"));
    assertThat(read(CASE).probeCompletion()).isFalse();
    assertThat(read(CASE).logFile()).isNull();
    assertThatThrownBy(() -> read(head + "probe = \"deep\"\n"))
        .hasMessageContaining(
            ":6: babysitter.probe: \"deep\" (expected: one of health, completion");
    assertThatThrownBy(() -> read(head + "log_file = \"none/s.log\"\n"))
        .hasMessageContaining(
            ":6: log_file: none/s.log (expected: a file in a folder that exists)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`port = \"8100\"\n[backend]\ntype = \"mock\"`|:1: port: \"8100\" (expected: a whole number",
        "`port = 65535\n[backend]\ntype = \"mock\"`|:1: port: 65535 (expected: 1..65534",
        "`name = \"x\"\n[backend]\ntype = \"mock\"`|port: missing (expected: 1..65534",
        "`port = 8100`|backend: missing",
        "`port = 8100\n[backend]\ntype = \"docker\"`|:3: backend.type: \"docker\" (expected: one of command, vllm",
        "`port = 8100\n[backend]\ntype = \"command\"`|backend.command: missing",
        "`port = 8100\n[backend]\ntype = \"command\"\ncommand = 5`|:4: backend.command: 5 (expected: a string)",
        "`port = 8100\n[backend]\ntype = \"command\"\ncommand = \"x\"\nargs = \"y\"`|:5: backend.args: a string (expected: an array of strings)",
        "`port = 8100\n[backend]\ntype = \"command\"\ncommand = \"x\"\nwork_dir = \"/no/such\"`|:5: work_dir: /no/such (expected: a folder)",
        "`port = 8100\n[babysitter]\nrestart_delay = \"soon\"\n[backend]\ntype = \"mock\"\nmodels = [\"a\"]`|:3: babysitter.restart_delay: \"soon\" (expected: seconds",
        "`port = 8100\nregistry_url = \"localhost:18000\"\n[backend]\ntype = \"mock\"`|:2: registry_url: localhost:18000 (expected: http://host:port)",
        "`port = 8100\nname = \"a/b\"\n[backend]\ntype = \"mock\"`|:2: name: \"a/b\" (expected: a name",
        "`port = 8100\n[backend]\ntype = \"mock\"`|backend.models: missing",
        "`port = 8100\nweight = -1\n[backend]\ntype = \"mock\"\nmodels = [\"a\"]`|:2: weight: -1 (expected: a whole number",
        "`port = = 1`|case.toml:1: "
      })
  void aBadFileNamesPlaceKeyValueAndExpectation(String toml, String message) {
    assertThatThrownBy(() -> read(toml))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(message);
  }

  /// A server with adapters by the hundred: the registry takes 20,000 names and values a body.
  @ParameterizedTest
  @CsvSource({"100, 20", "101, 2", "2000, 2", "2001, 0", "9000, 0"})
  void ofManyModelsLessIsTold(int models, int said) throws Exception {
    Map<String, Object> verbose = new HashMap<>();
    for (int k = 0; k < 18; k++) {
      verbose.put("field" + k, k);
    }
    verbose.put("max_model_len", 4096);
    List<Map<String, Object>> listed = new ArrayList<>();
    for (int k = 0; k < models; k++) {
      Map<String, Object> m = new HashMap<>(verbose);
      m.put("id", "adapter-" + k);
      listed.add(m);
    }
    Registration r = Entries.server(read("", "port=1", "command=x"), listed, 0);
    assertThat((List<?>) r.metadata().get("models")).hasSize(models);
    if (said == 0) {
      assertThat(r.metadata()).doesNotContainKey("models_list");
    } else {
      List<?> told = (List<?>) Objects.requireNonNull(r.metadata().get("models_list"));
      assertThat(told).hasSize(models);
      assertThat(told).allSatisfy(m -> assertThat((Map<?, ?>) m).hasSize(said));
    }
    assertThat(Json.isLargerThan(20_000, Json.bytes(r.metadata()))).isFalse();
  }

  @Test
  void environmentValuesAreNeverShown() throws Exception {
    String toml =
        "port = 8100\n[backend]\ntype = \"command\"\ncommand = \"x\"\n[backend.env]\nTOKEN = ";
    assertThatThrownBy(() -> read(toml + "12345"))
        .hasMessageContaining(":6: backend.env.TOKEN")
        .hasMessageNotContaining("12345");
    assertThatThrownBy(() -> read(toml + "\"hu\\u0000sh\""))
        .hasMessageContaining(":6: backend.env.TOKEN: a value with a NUL character")
        .hasMessageNotContaining("sh\"");
    assertThat(read(toml + "\"hush\"").toString()).contains("TOKEN").doesNotContain("hush");
    assertThatThrownBy(() -> read("", "port=1", "command=x", "env=hush"))
        .isInstanceOf(ConfigException.class)
        .hasMessageNotContaining("hush");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "command = \"x\"\nargs = [\"--api-key\", \"hush\", 8100]",
        "command = \"x\"\nargs = [\"--api-key\", [\"hush\"]]",
        "command = \"x\"\nargs = \"--api-key hush\"",
        "command = [\"x\", \"--api-key\", \"hush\"]",
        "command = \"x\"\nenv = [\"HF_TOKEN=hush\"]",
        "command = \"x\"\nenv = \"HF_TOKEN=hush\"",
      })
  void aSlipBesideASecretShowsNone(String keys) {
    assertThatThrownBy(() -> read("port = 8100\n[backend]\ntype = \"command\"\n" + keys + "\n"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("(expected: ")
        .hasMessageNotContaining("hush")
        .hasMessageNotContaining("\n");
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        // host, bind_host, advertise_host, registry, bind, advertise, probe
        "-,-,-,http://localhost:1,127.0.0.1,localhost,127.0.0.1",
        "0.0.0.0,-,-,http://localhost:1,0.0.0.0,127.0.0.1,127.0.0.1",
        "0.0.0.0,-,-,http://10.9.9.9:1,0.0.0.0,10.1.2.3,127.0.0.1",
        "0.0.0.0,-,-,-,0.0.0.0,127.0.0.1,127.0.0.1",
        "0.0.0.0,-,gpu7,http://localhost:1,0.0.0.0,gpu7,127.0.0.1",
        "localhost,-,-,http://localhost:1,127.0.0.1,localhost,127.0.0.1",
        "10.0.0.5,-,-,http://localhost:1,0.0.0.0,10.0.0.5,127.0.0.1",
        "10.0.0.5,10.0.0.5,-,http://localhost:1,10.0.0.5,10.0.0.5,10.0.0.5",
        "-,10.0.0.5,-,http://localhost:1,10.0.0.5,10.0.0.5,10.0.0.5",
        "-,0.0.0.0,-,http://10.9.9.9:1,0.0.0.0,10.1.2.3,127.0.0.1",
        "::1,-,-,http://localhost:1,::1,::1,::1",
        "[::1],-,-,http://localhost:1,::1,::1,::1",
        "fd00::7,-,-,http://localhost:1,::,fd00::7,::1",
        "::,-,fd00::7,http://localhost:1,::,fd00::7,::1",
        "0:0:0:0:0:0:0:1,-,-,http://localhost:1,::1,::1,::1",
        "0:0:0:0:0:0:0:0,-,FD00:0::7,http://localhost:1,::,fd00::7,::1",
        "0.0.0.0,-,-,http://[0:0:0:0:0:0:0:1]:1,0.0.0.0,127.0.0.1,127.0.0.1"
      })
  void aWildcardIsNeverAdvertised(
      @org.jspecify.annotations.Nullable String host,
      @org.jspecify.annotations.Nullable String bindHost,
      @org.jspecify.annotations.Nullable String advertiseHost,
      @org.jspecify.annotations.Nullable String registry,
      String bind,
      String advertise,
      String probe) {
    assertThat(
            Addresses.of(
                host,
                bindHost,
                advertiseHost,
                registry == null ? null : java.net.URI.create(registry),
                r -> "10.1.2.3"))
        .isEqualTo(new Addresses(bind, advertise, probe));
  }

  private static final String ON_DEMAND =
      """
      port = 8100
      registry_url = "http://127.0.0.1:18000"
      [backend]
      type = "command"
      command = "server"
      [babysitter]
      """;

  @Test
  void aServerOnDemandHasAnIdleTimeAndAPlaceForWhatWasSeen() throws Exception {
    Settings.Demand d = read(ON_DEMAND + "on_demand = true\nidle_stop = 2.5").demand();
    assertThat(d).isNotNull();
    assertThat(d.idleStop()).isEqualTo(Duration.ofMillis(2500));
    assertThat(String.valueOf(d.stateFile())).endsWith("infini/babysitter-8100.json");
    Settings s = read(ON_DEMAND, "on_demand=true", "state_file=" + dir.resolve("seen.json"));
    assertThat(s.demand())
        .isEqualTo(new Settings.Demand(Duration.ofMinutes(5), dir.resolve("seen.json")));
    assertThat(s.limits().idleStop()).isEqualTo(Duration.ofMinutes(5));
    assertThat(Entries.server(s, List.of(), 0).metadata()).containsEntry("on_demand", true);
    Settings off = read(ON_DEMAND + "on_demand = false\nidle_stop = 5");
    assertThat(off.demand()).isNull();
    assertThat(off.limits().idleStop()).isEqualTo(Duration.ZERO);
    assertThat(Entries.server(off, List.of(), 0).metadata())
        .doesNotContainKeys("on_demand", "wake_key");
    assertThat(SeenModels.usual(Map.of("XDG_STATE_HOME", "/x", "HOME", "/h"), 1))
        .isEqualTo(Path.of("/x/infini/babysitter-1.json"));
    assertThat(SeenModels.usual(Map.of("HOME", "/h"), 1))
        .isEqualTo(Path.of("/h/.local/state/infini/babysitter-1.json"));
    assertThat(SeenModels.usual(Map.of(), 1)).isNull();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "idle_stop = 60 | case.toml:7: babysitter.idle_stop: 60 (expected: on_demand = true with it",
        "state_file = \"x\" | case.toml:7: babysitter.state_file: \"x\" (expected: on_demand = true with",
        "on_demand = 1 | case.toml:7: babysitter.on_demand: 1 (expected: true or false)",
        "on_demand = true; idle_stop = -1 | case.toml:8: babysitter.idle_stop: -1 (expected: seconds, a number of 0",
        "on_demand = true; probe = \"completion\" | case.toml:8: babysitter.probe: \"completion\" (expected: \"health\" with on_demand",
      })
  void whatDoesNotGoTogetherIsNamedWithItsLine(String keys, String expected) {
    assertThatThrownBy(() -> read(ON_DEMAND + keys.replace("; ", "\n")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(expected);
  }

  @Test
  void onDemandWithoutARegistryOrAsAFlagAloneIsNamedToo() throws Exception {
    String alone = ON_DEMAND.replaceFirst("registry_url.*\n", "");
    assertThatThrownBy(() -> read(alone + "on_demand = true"))
        .hasMessageContaining(
            "case.toml:6: babysitter.on_demand: true (expected: registry_url with it");
    assertThatThrownBy(() -> read(ON_DEMAND, "idle_stop=90"))
        .hasMessageContaining("idle_stop: 90 (expected: on_demand = true with it");
    assertThat(read(ON_DEMAND + "on_demand = true\nidle_stop = 0\nprobe = \"completion\"").demand())
        .isNotNull();
  }
}
