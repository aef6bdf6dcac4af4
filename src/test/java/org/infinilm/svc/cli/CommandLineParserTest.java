package org.infinilm.svc.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommandLineParserTest {
  private static final Key<Integer> PORT = Key.port("router_port", 8080, "Port to listen on.");
  private static final Key<String> ARGS = Key.text("args", null, "Arguments of the command.");
  private static final Key<String> NAME = Key.text("name", null, "Name.");
  private static final Key<String> ENV = Key.text("env", null, "K=V.").addingUp();
  private static final Key<String> TOKEN = Key.text("admin_token", null, "Token.");
  private static final Key<Boolean> HEADERS = Key.flag("decision_headers", true, "Send them.");

  @TempDir Path folder;

  private final List<Program.Args> ran = new ArrayList<>();
  private String out = "";
  private String err = "";

  private int run(String... args) {
    return run(Map.of(), args);
  }

  private int run(Map<String, String> env, String... args) {
    List<Program> programs =
        List.of(
            new Program(
                "router",
                "Routes.",
                List.of(PORT, ARGS, NAME, HEADERS, ENV, TOKEN),
                Map.of("instance", "A server."),
                "",
                true,
                a -> {
                  ran.add(a);
                  return 0;
                }),
            Program.of(
                "engine",
                "Serves.",
                List.of(NAME),
                a -> {
                  ran.add(a);
                  return 0;
                }),
            Program.of("no", "Says no.", List.of(), a -> 1),
            Program.of(
                "wrong",
                "Cannot be configured.",
                List.of(),
                a -> {
                  throw new ConfigException("f.toml:3: x");
                }),
            Program.of(
                "breaks",
                "Breaks.",
                List.of(),
                a -> {
                  throw new IOException("cannot listen on 1");
                }),
            new Program(
                "config check",
                "Checks.",
                List.of(),
                Map.of(),
                "FILE",
                false,
                a -> a.positionals().size()));
    ByteArrayOutputStream o = new ByteArrayOutputStream();
    ByteArrayOutputStream e = new ByteArrayOutputStream();
    int code =
        new CommandLineParser(programs, env)
            .run(List.of(args), new PrintStream(o, true, UTF_8), new PrintStream(e, true, UTF_8));
    out = o.toString(UTF_8);
    err = e.toString(UTF_8);
    return code;
  }

  private Program.Args last() {
    return Objects.requireNonNull(ran.getLast());
  }

  @Test
  void exitCodesSayHowItEnded() {
    assertThat(run("router")).isZero();
    assertThat(run("no")).isEqualTo(1);
    assertThat(run("wrong")).isEqualTo(2);
    assertThat(err).isEqualTo("f.toml:3: x\n");
    assertThat(run("breaks")).isEqualTo(1);
    assertThat(err).isEqualTo("cannot listen on 1\n");
    assertThat(run("config", "check", "a", "b")).isEqualTo(2);
  }

  @Test
  void wrongUsageIsTwoWithUsageOnStandardError() {
    Map<String, List<String>> lines = new HashMap<>();
    lines.put("--router-prot", List.of("router", "--router-prot", "1"));
    lines.put("nonsense", List.of("nonsense"));
    lines.put("--router-port", List.of("router", "--router-port"));
    lines.put("stray", List.of("router", "stray"));
    lines.forEach((named, args) -> {
      assertThat(run(args.toArray(String[]::new))).as(args.toString()).isEqualTo(2);
      assertThat(err.lines().findFirst().orElseThrow()).as("the error first").contains(named);
      assertThat(err.lines().filter(l -> l.startsWith("Usage:"))).hasSize(1);
      assertThat(out).isEmpty();
    });
    assertThat(run()).isEqualTo(2);
    assertThat(err).contains("Usage:");
    assertThat(run("config")).isEqualTo(2);
    assertThat(ran).isEmpty();
  }

  @Test
  void helpAndVersionAreZeroEverywhere() throws Exception {
    for (List<String> args :
        List.of(
            List.of("--help"),
            List.of("-h"),
            List.of("router", "--help"),
            List.of("config", "--help"),
            List.of("config", "check", "--help"))) {
      assertThat(run(args.toArray(String[]::new))).as(args.toString()).isZero();
      assertThat(out).contains("Usage:");
      assertThat(err).isEmpty();
    }
    assertThat(run("router", "--help")).isZero();
    assertThat(out).contains("--router-port").contains("Port to listen on. Default: 8080.");
    assertThat(run("--version")).isZero();
    assertThat(out).startsWith("infini ");
    assertThat(run("router", "--version")).isZero();
    assertThat(ran).isEmpty();
  }

  @Test
  void dashesAndUnderscoresAndEqualSignsAllDo() throws Exception {
    for (String[] args :
        new String[][] {
          {"router", "--router-port", "7"},
          {"router", "--router_port", "7"},
          {"router", "--router-port=7"},
          {"router", "--router_port=7"},
          {"router", "--router-port", "7", "--router_port", "7"}
        }) {
      assertThat(run(args)).isZero();
      assertThat(last().config().get(PORT)).isEqualTo(7);
      assertThat(last().flags()).containsEntry("router_port", "7");
    }
  }

  @Test
  void valuesMayBeginWithDashes() {
    assertThat(run("router", "--args", "--model X --tp 1", "--name", "n")).isZero();
    assertThat(last().config().find(ARGS)).contains("--model X --tp 1");
    assertThat(last().config().find(NAME)).contains("n");
    assertThat(run("router", "--args=--model X")).isZero();
    assertThat(last().config().find(ARGS)).contains("--model X");
    assertThat(run("router", "--args", "-x")).isZero();
    assertThat(last().config().find(ARGS)).contains("-x");
  }

  @Test
  void switchesAreTurnedOnAndOff() throws Exception {
    assertThat(run("router")).isZero();
    assertThat(last().config().get(HEADERS)).isTrue();
    assertThat(run("router", "--no-decision-headers")).isZero();
    assertThat(last().config().get(HEADERS)).isFalse();
    assertThat(run("router", "--decision-headers")).isZero();
    assertThat(last().config().get(HEADERS)).isTrue();
  }

  @Test
  void repeatableFlagsKeepTheirOrderAndCommas() {
    assertThat(run("router", "--instance", "http://a:1,name=x", "--instance", "http://b:2"))
        .isZero();
    assertThat(last().all("instance")).containsExactly("http://a:1,name=x", "http://b:2");
    assertThat(run("router")).isZero();
    assertThat(last().all("instance")).isEmpty();
  }

  @Test
  void aFlagThatAddsUpKeepsEveryValue() throws Exception {
    assertThat(run("router", "--env", "A=1 B=2", "--env", "C=3,4", "--env=D=5")).isZero();
    assertThat(last().config().find(ENV)).contains("A=1 B=2 C=3,4 D=5");
  }

  @Test
  void aFlagThatIsGivenTwiceMustSayTheSame() throws Exception {
    assertThat(run("router", "--name", "a", "--router-port", "1", "--name", "b")).isEqualTo(2);
    assertThat(err).isEqualTo("--name: given twice, a and b (expected: once)\n");
    assertThat(run("router", "--router-port", "1", "--router_port=7")).isEqualTo(2);
    assertThat(err).isEqualTo("--router-port: given twice, 1 and 7 (expected: once)\n");
    assertThat(run("router", "--decision-headers", "--no-decision-headers")).isEqualTo(2);
    assertThat(err).startsWith("--decision-headers: given twice, ");
    assertThat(run("router", "--config-file", "a", "--config-file", "b")).isEqualTo(2);
    assertThat(err).isEqualTo("--config-file: given twice, a and b (expected: once)\n");
    assertThat(run("router", "--admin-token", "s3cret", "--admin-token", "t")).isEqualTo(2);
    assertThat(err).contains("--admin-token: given twice").doesNotContain("s3cret");
    assertThat(ran).isEmpty();
    assertThat(run("router", "--name", "a", "--name", "a")).isZero();
    assertThat(last().config().find(NAME)).contains("a");
  }

  /// The flags of InfiniLM's server and of vLLM's bench; a babysitter puts a user's behind its own.
  @Test
  void whereTheFlagsAreThoseOfArgparseTheLastOneCounts() {
    assertThat(run("engine", "--name", "a", "--name", "b")).isZero();
    assertThat(last().config().find(NAME)).contains("b");
  }

  @Test
  void theFileLiesUnderEnvironmentAndFlags() throws Exception {
    Path f = Files.writeString(folder.resolve("r.toml"), "router_port = 1\nname = \"file\"\n");
    assertThat(
            run(
                Map.of("INFINI_NAME", "env", "INFINI_ROUTER_PORT", "2"),
                "router",
                "--config-file",
                f.toString(),
                "--router-port",
                "3"))
        .isZero();
    assertThat(last().config().get(PORT)).isEqualTo(3);
    assertThat(last().config().find(NAME)).contains("env");
    assertThat(run("router", "--config-file", folder.resolve("none").toString())).isEqualTo(2);
    assertThat(err).contains("none: no such file");
  }

  @Test
  void aWrongValueIsTwoWithoutUsage() {
    assertThat(run("router", "--router-port", "-1")).isEqualTo(2);
    assertThat(err).isEqualTo("--router-port: -1 (expected: a whole number 0..65535)\n");
  }
}
