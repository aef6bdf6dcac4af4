package org.infinilm.svc.evaluation;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `infini evaluate` refuses before it runs, and what it says of what it cannot know.
class EvaluateProgramTest {
  @TempDir Path folder;

  private static String evaluate(Map<String, String> flags) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Config c = Config.resolve(EvaluateProgram.PROGRAM.keys(), flags, Map.of(), null);
    PrintStream to = new PrintStream(out, true, UTF_8);
    assertThat(EvaluateProgram.run(new Program.Args(c, flags, List.of(), Map.of()), to, to))
        .isZero();
    return out.toString(UTF_8);
  }

  private Path trace(int requests) throws Exception {
    StringBuilder csv = new StringBuilder("arrival_s,prompt_tokens,output_tokens\n");
    for (int k = 0; k < requests; k++) {
      csv.append(k).append(",20,2\n");
    }
    return Files.writeString(folder.resolve("t.csv"), csv);
  }

  @Test
  void whatCannotBeWrittenIsSaidBeforeTheFirstRun() throws Exception {
    for (String json : List.of(folder.toString(), folder.resolve("none/x.json").toString())) {
      assertThatThrownBy(() -> evaluate(Map.of("json", json, "trace", "nothing of the kind")))
          .isInstanceOf(ConfigException.class)
          .hasMessage("--json: " + json + " cannot be written (expected: a file)");
      Config c = Config.resolve(ReplayProgram.PROGRAM.keys(), Map.of("json", json), Map.of(), null);
      assertThatThrownBy(() ->
              ReplayProgram.run(
                  new Program.Args(c, Map.of(), List.of("none"), Map.of()), System.out, System.err))
          .hasMessageStartingWith("--json: " + json);
    }
  }

  @Test
  void aRateThatNobodyMeansIsRefused() {
    assertThatThrownBy(() -> evaluate(Map.of("rate", "1e-300")))
        .isInstanceOf(ConfigException.class)
        .hasMessage("--rate: 1.0E-300 (expected: 0, or 0.001..1.0E5)");
  }

  @Test
  void aCapacityAtTheEndOfTheSearchIsSaidToBeMore() throws Exception {
    Map<String, String> flags = new HashMap<>();
    flags.put("trace", trace(10).toString());
    flags.put("policies", "least-loaded");
    flags.put("seeds", "2");
    assertThat(evaluate(flags))
        .contains("| least-loaded | > 1.00e+05 | - |")
        .contains("10 requests a run are too few to tell a capacity or a goodput by");
    flags.put("trace", trace(300).toString());
    flags.put("rate", "1");
    assertThat(evaluate(flags)).doesNotContain("too few");
  }

  @Test
  void ofALogOfSeveralModelsOneIsMeant() throws Exception {
    StringBuilder log = new StringBuilder();
    for (int k = 0; k < 20; k++) {
      log.append("{\"v\":1,\"time_ms\":")
          .append(1_790_000_000_000L + 1000L * k)
          .append(",\"model\":\"")
          .append(k % 4 == 0 ? "a" : "b")
          .append(
              "\",\"body_bytes\":80,\"prompt_tokens\":20,\"output_tokens\":4,\"cached_tokens\":0,")
          .append(
              "\"max_tokens\":9,\"key\":\"\",\"text\":\"prose\",\"events\":7,\"instance\":\"i\",")
          .append(
              "\"cache_type\":\"paged\",\"outcome\":\"ok\",\"first_s\":0.1,\"answer_s\":0.2}\n");
    }
    String file = Files.writeString(folder.resolve("d.jsonl"), log).toString();
    Map<String, String> flags = Map.of("trace", file, "policies", "fixed", "rate", "1");
    assertThatThrownBy(() -> evaluate(flags))
        .hasMessageContaining("expected: --model, one of a (5)");
    Map<String, String> one = new HashMap<>(flags);
    one.put("model", "b");
    assertThat(evaluate(one)).contains("15 requests a run");
    one.put("trace", trace(10).toString());
    assertThatThrownBy(() -> evaluate(one))
        .hasMessageContaining("--model: b (expected: with a decision log alone");
  }
}
