package org.infinilm.svc.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.babysitter.BabysitterProgram;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.config.Words;

/// `infini config check FILE`: validates a file of any program and prints what is in force and from
/// where.
final class ConfigCheck {
  static final Program PROGRAM =
      new Program(
          "config check",
          "Validate a TOML file of any program; print what is in force and from where.",
          List.of(),
          Map.of(),
          "FILE",
          false,
          ConfigCheck::run);

  /// Tables that only a babysitter's file has.
  private static final List<String> BABYSITTER = List.of("backend", "babysitter", "metadata");

  private ConfigCheck() {}

  private static int run(Program.Args args) throws ConfigException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "config check: " + args.positionals().size() + " files given (expected: one FILE)");
    }
    check(Path.of(args.positionals().getFirst()), Main.PROGRAMS, System.getenv(), System.out);
    return 0;
  }

  /// Prints the settings that `file` gives, with the environment over it and the defaults under it.
  ///
  /// @throws ConfigException for all that would stop the program it is for
  static void check(Path file, List<Program> programs, Map<String, String> env, PrintStream out)
      throws ConfigException {
    TomlFile toml = TomlFile.read(file);
    if (toml.keys().stream().anyMatch(BABYSITTER::contains)) {
      print(file, "babysitter", BabysitterProgram.check(file, env), out);
      return;
    }
    Program p = programOf(toml, programs);
    Wrongs wrong = new Wrongs();
    Config config = Config.gather(p.keys(), Map.of(), env, file, wrong);
    List<String> warnings = new ArrayList<>(config.warnings());
    Program.Args args = new Program.Args(config, Map.of(), List.of(), Map.of());
    wrong.in(() -> warnings.addAll(p.check().check(args, wrong)));
    if (!wrong.none()) {
      warnings.forEach(w -> wrong.add("warning: " + w));
    }
    wrong.end();
    warnings.forEach(w -> out.println("warning: " + w));
    print(file, p.name(), config.describe(), out);
  }

  private static void print(Path file, String program, List<String> lines, PrintStream out) {
    out.println(file + ": " + program);
    lines.forEach(out::println);
  }

  /// The program that knows most of the file's keys; the earlier one in the list on a tie.
  private static Program programOf(TomlFile toml, List<Program> programs) throws ConfigException {
    Program best = null;
    long most = 0;
    for (Program p : programs) {
      List<String> names = p.keys().stream().<String>map(Key::name).toList();
      long known = p.takesFile() ? toml.keys().stream().filter(names::contains).count() : 0;
      if (known > most) {
        best = p;
        most = known;
      }
    }
    if (best == null) {
      throw new ConfigException(nothingKnown(toml, programs));
    }
    return best;
  }

  private static String nothingKnown(TomlFile toml, List<Program> programs) {
    List<Program> takers = programs.stream().filter(Program::takesFile).toList();
    List<String> names =
        takers.stream().flatMap(p -> p.keys().stream()).<String>map(Key::name).distinct().toList();
    return toml.keys().stream()
            .findFirst()
            .map(k -> toml.place(k) + ": unknown key \"" + k + "\"" + Words.hint(k, names))
            .orElse(toml.file() + ": no settings")
        + " (expected: settings of babysitter, "
        + String.join(", ", takers.stream().map(Program::name).toList())
        + ")";
  }
}
