package org.infinilm.svc.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.junit.jupiter.api.Test;

class SpreadFlagsTest {
  private final List<Program.Args> seen = new ArrayList<>();
  private final Program program =
      new Program(
          "p",
          "A program.",
          List.of(Key.flag("json", false, "Print JSON.")),
          Map.of("many...", "Several values at once.", "one", "One value."),
          "FILE",
          false,
          args -> {
            seen.add(args);
            return 0;
          });

  private Program.Args run(String... args) {
    PrintStream nowhere = new PrintStream(new ByteArrayOutputStream());
    assertThat(
            new CommandLineParser(List.of(program), Map.of()).run(List.of(args), nowhere, nowhere))
        .isZero();
    return seen.getLast();
  }

  @Test
  void aFlagOfManyTakesAllValuesUpToTheNextFlag() {
    Program.Args args = run("p", "--many", "a", "b", "--json", "--many", "c");
    assertThat(args.all("many")).containsExactly("a", "b", "c");
    assertThat(args.positionals()).isEmpty();
    assertThat(args.flags()).containsKey("json");
  }

  @Test
  void aFlagOfOneLeavesTheRestToThePositionals() {
    Program.Args args = run("p", "x", "--one", "a", "b");
    assertThat(args.all("one")).containsExactly("a");
    assertThat(args.positionals()).containsExactly("x", "b");
  }
}
