package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.TomlFile;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanTest {
  @TempDir private Path folder;

  @Test
  void theSeedsDeploymentHasFourPartsAndSixPorts() throws Exception {
    Plan plan = Plan.of(settings(8000, null, List.of()), folder);

    assertThat(plan.parts())
        .extracting(Plan.Part::name)
        .containsExactly(
            "paged-cache-9g_8b_thinking", "static-cache-9g_8b_thinking", "registry", "router");
    assertThat(plan.parts().stream().flatMap(p -> p.ports().stream()))
        .containsExactly(8100, 8101, 8200, 8201, 18000, 8000);
    assertThat(plan.servers())
        .containsExactly("paged-cache-9g_8b_thinking-server", "static-cache-9g_8b_thinking-server");
  }

  @Test
  void theGeneratedFilesSayWhatTheBabysitterNeeds() throws Exception {
    Plan plan = Plan.of(settings(8000, null, List.of()), folder);
    for (var file : plan.files().entrySet()) {
      Files.writeString(file.getKey(), file.getValue());
    }

    TomlFile fixed = TomlFile.read(folder.resolve("static-cache-9g_8b_thinking.toml"));
    TomlFile backend = Objects.requireNonNull(fixed.table("backend"));

    assertThat(fixed.whole("port", 1, 65535)).isEqualTo(8200);
    assertThat(backend.text("type")).isEqualTo("engine");
    assertThat(backend.text("model_path")).isNull();
    assertThat(backend.texts("args"))
        .containsExactly("--served_model_name", "9g_8b_thinking", "--max_cache_len", "32768");
    assertThat(fixed.plain()).extractingByKey("metadata").hasToString("{cache_type=static}");
    assertThat(fixed.plain())
        .extractingByKey("babysitter")
        .hasToString("{log_file=static-cache-9g_8b_thinking.server.log}");
  }

  @Test
  void namesAreTheInstancesOwnAndStayInTheFolder() throws Exception {
    Path a = Files.writeString(folder.resolve("a.toml"), "name = \"same\"\nport = 8100\n");
    Path b = Files.writeString(folder.resolve("b.toml"), "name = \"same\"\nport = 8200\n");
    assertThatThrownBy(() -> Plan.of(settings(8000, null, List.of(a, b)), folder))
        .isInstanceOf(ConfigException.class)
        .hasMessage("name same: given to two parts (expected: names of their own)");
    Path out = Files.writeString(folder.resolve("c.toml"), "name = \"../evil\"\nport = 8100\n");
    assertThatThrownBy(() -> Plan.of(settings(8000, null, List.of(out)), folder))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            out + ":1: name: \"../evil\" (expected: a name without / and control characters)");
  }

  @Test
  void aModelFileNamesModelAndInstances() throws Exception {
    Plan plan = Plan.of(settings(8000, Path.of("/m/Qwen 3 \"x\".GGUF"), List.of()), folder);

    assertThat(plan.model()).isEqualTo("Qwen-3-x-");
    assertThat(plan.servers()).first().isEqualTo("paged-cache-Qwen-3-x--server");
  }

  @Test
  void theThresholdReachesTheRouterAlone() throws Exception {
    Plan plan = Plan.of(settings(8000, null, List.of()), folder);

    assertThat(plan.parts())
        .filteredOn(p -> !p.env().isEmpty())
        .singleElement()
        .satisfies(p -> {
          assertThat(p.name()).isEqualTo("router");
          assertThat(p.env()).containsEntry("CACHE_TYPE_ROUTING_THRESHOLD", "100");
        });
  }

  @Test
  void twoPartsOnOnePortAreRefused() {
    assertThatThrownBy(() -> Plan.of(settings(8101, null, List.of()), folder))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("port 8101")
        .hasMessageContaining("paged-cache-9g_8b_thinking")
        .hasMessageContaining("router");
  }

  @Test
  void givenFilesReplaceTheTwoInstances() throws Exception {
    Path file = toml("name = \"mine\"\nport = 9000\n[backend]\ntype = \"command\"\n");

    Plan plan = Plan.of(settings(8000, Path.of("/m/a.gguf"), List.of(file)), folder);

    assertThat(plan.files()).isEmpty();
    assertThat(plan.servers()).containsExactly("mine-server");
    assertThat(plan.parts().getFirst().env()).containsEntry("INFINI_MODEL_PATH", "/m/a.gguf");
    assertThat(plan.parts().getFirst().embedded()).isFalse();
    assertThat(plan.parts().getFirst().ports()).containsExactly(9000, 9001);
  }

  @ParameterizedTest(name = "log_file {0}: {1}")
  @CsvSource({
    "'', true",
    "'[babysitter]\nlog_file = \"\"\n', true",
    "'[babysitter]\nlog_file = \"own.log\"\n', false",
    "'[babysitter]\nrestart_delay = 5\n', true"
  })
  void theLinesOfAGivenFilesServerGoToAFileOfBoundedSize(String babysitter, boolean ours)
      throws Exception {
    Path file =
        toml("name = \"mine\"\nport = 9000\n" + babysitter + "[backend]\ntype = \"command\"\n");

    Plan plan = Plan.of(settings(8000, null, List.of(file)), folder);

    assertThat(plan.parts().getFirst().env().get("INFINI_LOG_FILE"))
        .isEqualTo(ours ? folder.resolve("mine.server.log").toString() : null);
  }

  @Test
  void theRouterKeepsItsHistoryInTheRunFolderUnlessItIsToldOtherwise() throws Exception {
    assertThat(history(null)).isEqualTo(folder.resolve("history.db").toString());
    assertThat(history("off")).isEqualTo("off");
    assertThat(history("/x/h.db")).isEqualTo("/x/h.db");
  }

  private @Nullable String history(@Nullable String asked) throws Exception {
    Plan.Settings s =
        new Plan.Settings(
            "h", "h", 18000, 8000, 8100, 8200, null, null, null, null, asked, true, List.of(),
            "http");
    return Plan.of(s, folder).parts().getLast().env().get("INFINI_HISTORY");
  }

  @Test
  void aGivenFileWithoutAPortIsNamed() throws IOException {
    Path file = toml("name = \"mine\"\n[backend]\ntype = \"command\"\n");

    assertThatThrownBy(() -> Plan.of(settings(8000, null, List.of(file)), folder))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("port");
  }

  private Path toml(String text) throws IOException {
    return Files.writeString(folder.resolve("given.toml"), text);
  }

  /// A model that the embedded engine does not know.
  @Test
  void llamaCppsOwnServerRunsUnderBothBabysitters() throws Exception {
    LlamaServer server = new LlamaServer(List.of("/opt/my server", "x.py"));
    Path model = folder.resolve("qwen3-0.6b.gguf");
    Plan.Settings s =
        new Plan.Settings(
            "h", "h", 18000, 8000, 8100, 8200, model, server, null, null, "off", false, List.of(),
            "http");
    Plan plan = Plan.of(s, folder);
    for (var file : plan.files().entrySet()) {
      Files.writeString(file.getKey(), file.getValue());
    }
    for (String cache : List.of("paged", "static")) {
      TomlFile toml = TomlFile.read(folder.resolve(cache + "-cache-qwen3-0.6b.toml"));
      TomlFile backend = Objects.requireNonNull(toml.table("backend"));
      assertThat(backend.text("type")).isEqualTo("command");
      assertThat(backend.text("command")).isEqualTo("'/opt/my server'");
      assertThat(toml.texts("models")).containsExactly("qwen3-0.6b");
      assertThat(backend.texts("args"))
          .startsWith("x.py", "-m", model.toString(), "--alias", "qwen3-0.6b")
          .containsSequence("--host", "h", "--port", cache.equals("paged") ? "8100" : "8200")
          .containsSequence("--parallel", cache.equals("paged") ? "4" : "1");
      assertThat(toml.plain())
          .extractingByKey("metadata")
          .hasToString(
              "{cache_type="
                  + cache
                  + ", max_concurrency="
                  + (cache.equals("paged") ? 4 : 1)
                  + "}");
    }
  }

  private static Plan.Settings settings(int routerPort, @Nullable Path model, List<Path> configs) {
    return new Plan.Settings(
        "127.0.0.1",
        "127.0.0.1",
        18000,
        routerPort,
        8100,
        8200,
        model,
        null,
        100L,
        null,
        null,
        false,
        configs,
        "http");
  }
}
