package org.infinilm.svc.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.router.RouterProgram;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a shell offers after a TAB, and the manual pages.
class CompletionTest {
  @TempDir private Path dir;

  /// What bash offers for the last of these words.
  private List<String> offered(String... words) throws Exception {
    Path script = dir.resolve("infini.bash");
    Files.writeString(script, Completion.of("bash", Main.PROGRAMS));
    String ask =
        "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _infini; printf '%s\\n' \"${COMPREPLY[@]}\"";
    List<String> command =
        Stream.concat(Stream.of("bash", "-c", ask, script.toString()), Stream.of(words)).toList();
    Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(out).isZero();
    return out.lines().filter(l -> !l.isEmpty()).toList();
  }

  @Test
  void commandsOptionsAndWordsAreOfferedWhereTheyBelong() throws Exception {
    assertThat(offered("infini", "ro")).containsExactly("router");
    assertThat(offered("infini", "config", "")).containsExactly("check", "schema");
    assertThat(offered("infini", "router", "--router-p")).containsExactly("--router-port");
    assertThat(offered("/usr/bin/infini-router", "--router-p")).containsExactly("--router-port");
    assertThat(offered("infini", "router", "--host", "h", "--policy", "shad"))
        .containsExactly("shadow:adaptive");
    assertThat(offered("infini", "router", "--router-port", "")).isEmpty();
    assertThat(offered("infini", "key", "new", "--js")).containsExactly("--json");
    assertThat(offered("infini", "start-c")).as("no command of users").isEmpty();
  }

  /// A sign that is a format's to picocli would leave a warning and an option without its words.
  @Test
  void theHelpOfEveryCommandIsWordedWhole() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    PrintStream stderr = System.err;
    PrintStream stdout = System.out;
    System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      Main.run(new String[] {"--help"}, Map.of());
      for (Program p : Main.PROGRAMS) {
        Main.run(
            Stream.concat(Stream.of(p.name().split(" ")), Stream.of("--help"))
                .toArray(String[]::new),
            Map.of());
      }
    } finally {
      System.setErr(stderr);
      System.setOut(stdout);
    }
    assertThat(err.toString(StandardCharsets.UTF_8)).isEmpty();
    assertThat(out.toString(StandardCharsets.UTF_8))
        .contains("with %-escapes")
        .doesNotContain("%%")
        .doesNotContain("Default: .")
        .as("commands without a word on what they do")
        .doesNotContainPattern("(?m)^  [a-z-]+$")
        .doesNotContainPattern("(?m)^ +--[a-z-]+_")
        .contains("instance NAME (as infini status lists it)");
  }

  @Test
  void theHelpOfTheRouterNamesTheFewFlagsThatOneNeedsFirst() {
    String router = helpOf("router");
    String first = router.substring(0, router.indexOf("All others:"));
    assertThat(first)
        .contains("Options that one needs first:", "--router-port, --port=PORT")
        .contains("--instance", "--registry-url", "--policy", "--threshold");
    assertThat(first.lines().filter(l -> l.matches(" +--.*")).count()).isBetween(8L, 12L);
    assertThat(words(router))
        .contains("port to listen on (infini up gives it 8000). Default: 8080.");
    assertThat(words(helpOf("registry")))
        .contains("Port to listen on (infini up gives it 18000). Default: 8081.");
  }

  private static String words(String help) {
    return help.replaceAll("\\s+", " ");
  }

  private static String helpOf(String program) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PrintStream stdout = System.out;
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      Main.run(new String[] {program, "--help"}, Map.of());
    } finally {
      System.setOut(stdout);
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void everyOptionIsKnownToEachShell() throws Exception {
    for (String shell : List.of("bash", "zsh", "fish")) {
      String script = Completion.of(shell, Main.PROGRAMS);
      for (Key<?> k : RouterProgram.PROGRAM.keys()) {
        if (!k.isTables()) {
          assertThat(script)
              .contains(shell.equals("fish") ? " -l " + k.flagName().substring(2) : k.flagName());
        }
      }
    }
    assertThatThrownBy(() -> Completion.of("tcsh", Main.PROGRAMS))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("tcsh (expected: one of bash, zsh, fish)");
  }

  @Test
  void everyCommandHasAPageThatNamesItsOptionsAndNoTextIsARequest() throws Exception {
    for (Program p : Main.PROGRAMS) {
      if (p.name().equals(StartCache.PROGRAM.name())) {
        continue;
      }
      String page = Manual.page(p.name(), Main.PROGRAMS);
      for (Key<?> k : p.keys()) {
        if (!k.isTables()) {
          assertThat(page).contains(k.flagName().substring(2).replace("-", "\\-"));
        }
      }
      assertThat(page.lines().filter(l -> l.startsWith(".") || l.startsWith("'")))
          .as(p.name())
          .allMatch(l -> l.matches("\\.(TH|SH|TP|B|BR|I)( .*)?"));
    }
    assertThat(Manual.page("", Main.PROGRAMS)).contains(".BR infini\\-router (1)");
    assertThatThrownBy(() -> Manual.page("rooter", Main.PROGRAMS))
        .hasMessageContaining("rooter (did you mean \"router\"?)");
  }
}
