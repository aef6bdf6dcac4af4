package org.infinilm.svc.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Words;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/// Builds picocli's model from the programs' keys and runs the one that was called.
final class CommandLineParser {
  private static final String FILE = "--config-file";
  private static final String MANY = "...";
  private static final String NOTE =
      "Names may be written with underscores as well, and as environment variables, INFINI_NAME.";

  /// First words of commands that have two.
  private static final Map<String, String> GROUPS =
      Map.of(
          "cert",
          "Certificates for a try on one machine.",
          "config",
          "Look at configuration files.",
          "key",
          "Keys of clients.",
          "instance",
          "A running router's servers.");

  /// Programs whose flags are those of Python's argparse (InfiniLM's server, vLLM's bench): as
  /// there, the last value of a flag counts. A babysitter adds a user's flags behind its own.
  private static final Set<String> LAST_COUNTS = Set.of("engine", "simulate", "bench");

  private final List<Program> programs;
  private final Map<String, String> env;
  private final Map<CommandSpec, Program> bySpec = new HashMap<>();

  CommandLineParser(List<Program> programs, Map<String, String> env) {
    this.programs = programs;
    this.env = env;
  }

  int run(List<String> args) {
    return run(args, System.out, System.err);
  }

  int run(List<String> args, PrintStream stdout, PrintStream stderr) {
    CommandLine root = new CommandLine(build(args));
    root.setOverwrittenOptionsAllowed(true);
    root.setAllowOptionsAsOptionParameters(true);
    root.setUnmatchedOptionsAllowedAsOptionParameters(true);
    PrintWriter err = new PrintWriter(stderr, true, StandardCharsets.UTF_8);
    PrintWriter out = new PrintWriter(stdout, true, StandardCharsets.UTF_8);
    try {
      root.setUsageHelpAutoWidth(true);
      ParseResult parsed = root.parseArgs(spread(args).toArray(String[]::new));
      ParseResult last = parsed;
      while (last.hasSubcommand()) {
        last = last.subcommand();
      }
      CommandSpec spec = last.commandSpec();
      if (last.isUsageHelpRequested()) {
        spec.commandLine().usage(out);
        return 0;
      }
      if (last.isVersionHelpRequested()) {
        out.println("infini " + version());
        return 0;
      }
      Program program = bySpec.get(spec);
      if (program == null) {
        spec.commandLine().usage(err);
        return 2;
      }
      return program.run().run(arguments(program, last));
    } catch (ParameterException e) {
      CommandSpec spec = e.getCommandLine().getCommandSpec();
      err.println(e.getMessage() + nearest(e, spec));
      err.println(Help.usage(spec) + "  (" + spec.qualifiedName() + " --help lists them)");
      return 2;
    } catch (ConfigException e) {
      err.println(e.getMessage());
      return 2;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return 1;
    } catch (FileSystemException e) {
      err.println(e.getFile() + ": " + reason(e));
      return 1;
    } catch (Exception e) {
      err.println(e.getMessage() == null ? e.toString() : e.getMessage());
      return 1;
    }
  }

  /// The option or command that was most likely meant.
  private static String nearest(ParameterException e, CommandSpec spec) {
    if (!(e instanceof CommandLine.UnmatchedArgumentException u) || u.getUnmatched().isEmpty()) {
      return "";
    }
    String wrong = u.getUnmatched().getFirst().replaceFirst("=.*", "");
    return wrong.startsWith("-")
        ? Words.hint(wrong, spec.optionsMap().keySet())
        : Words.hint(wrong, spec.subcommands().keySet());
  }

  /// What such an exception says by its class alone, in words.
  private static String reason(FileSystemException e) {
    if (e.getReason() != null) {
      return e.getReason();
    }
    return switch (e) {
      case AccessDeniedException _ -> "permission denied";
      case NoSuchFileException _ -> "no such file or folder";
      case FileAlreadyExistsException _ -> "exists already";
      default -> e.getClass().getSimpleName();
    };
  }

  /// A repeatable flag that takes several values at once (its name ends in `...`) becomes one flag
  /// a value.
  private List<String> spread(List<String> args) {
    List<String> flags =
        programs.stream()
            .filter(p -> !args.isEmpty() && p.name().equals(args.getFirst()))
            .flatMap(p -> p.repeatable().keySet().stream())
            .filter(name -> name.endsWith(MANY))
            .map(name -> "--" + bare(name))
            .toList();
    List<String> out = new ArrayList<>();
    String current = "";
    for (String a : args) {
      if (flags.contains(a)) {
        current = a;
        out.add(a);
      } else if (a.startsWith("-")) {
        current = "";
        out.add(a);
      } else {
        if (!current.isEmpty() && !out.getLast().equals(current)) {
          out.add(current);
        }
        out.add(a);
      }
    }
    return out;
  }

  private static String bare(String repeatable) {
    return repeatable.endsWith(MANY)
        ? repeatable.substring(0, repeatable.length() - MANY.length())
        : repeatable;
  }

  /// Only the command that is called gets its options, and is there alone: the others are named in
  /// the help of `infini` itself.
  private CommandSpec build(List<String> args) {
    CommandSpec root =
        command("infini", "One OpenAI-compatible address in front of several inference servers.");
    String called = args.isEmpty() ? "" : args.getFirst();
    boolean known = programs.stream().anyMatch(p -> first(p).equals(called));
    for (Program p : programs) {
      if (known && !first(p).equals(called)) {
        continue;
      }
      String[] words = p.name().split(" ");
      CommandSpec parent = root;
      for (int i = 0; i < words.length; i++) {
        CommandLine existing = parent.subcommands().get(words[i]);
        CommandSpec next =
            existing == null
                ? command(
                    words[i], i == words.length - 1 ? p.doc() : GROUPS.getOrDefault(words[i], ""))
                : existing.getCommandSpec();
        if (existing == null) {
          parent.addSubcommand(words[i], next);
        }
        parent = next;
      }
      if (words[0].equals(called)) {
        options(p, parent);
      }
      Help.shape(parent, neededFirst(p), p.keys().isEmpty() ? "" : NOTE);
      parent.usageMessage().hidden(p.name().equals(StartCache.PROGRAM.name()));
      bySpec.put(parent, p);
    }
    return root;
  }

  private static String first(Program p) {
    return p.name().split(" ")[0];
  }

  /// The options that a program's help shows first: some keys, with them the file and what may be
  /// repeated.
  private static Set<String> neededFirst(Program p) {
    Set<String> first =
        p.keys().stream().filter(Key::first).map(Key::flagName).collect(Collectors.toSet());
    if (!first.isEmpty()) {
      first.add(FILE);
      p.repeatable().keySet().forEach(name -> first.add("--" + bare(name)));
    }
    return first;
  }

  /// A text that picocli takes as it is, and not for a format.
  private static String plain(String text) {
    return text.replace("%", "%%");
  }

  private static CommandSpec command(String name, String doc) {
    CommandSpec spec = CommandSpec.create().name(name);
    spec.usageMessage().description(plain(doc));
    spec.addOption(
        OptionSpec.builder("-h", "--help").usageHelp(true).description("Print this help.").build());
    spec.addOption(
        OptionSpec.builder("--version")
            .versionHelp(true)
            .description("Print the version.")
            .build());
    return spec;
  }

  private static void options(Program p, CommandSpec spec) {
    if (p.takesFile()) {
      spec.addOption(
          OptionSpec.builder(FILE)
              .paramLabel("FILE")
              .type(String.class)
              .description("TOML file with these settings.")
              .build());
    }
    for (Key<?> k : p.keys()) {
      if (k.isTables()) {
        continue;
      }
      Set<String> names = new LinkedHashSet<>(List.of(k.flagName(), "--" + k.name()));
      if (!k.alsoFlag().isEmpty()) {
        names.add(k.alsoFlag());
      }
      OptionSpec.Builder o = OptionSpec.builder(names.toArray(String[]::new));
      String fallback =
          Key.show(k).isBlank() || k.type().isSwitch() ? "" : " Default: " + Key.show(k) + ".";
      o.description(plain((k.doc().endsWith(".") ? k.doc() : k.doc() + ".") + fallback));
      if (k.type().isSwitch()) {
        o.arity("0").negatable(true).type(boolean.class);
      } else if (k.addsUp()) {
        o.paramLabel(k.type().label()).type(List.class).auxiliaryTypes(String.class);
      } else {
        o.paramLabel(k.type().label()).type(String.class);
      }
      spec.addOption(o.build());
    }
    p.repeatable()
        .forEach((name, doc) ->
            spec.addOption(
                OptionSpec.builder("--" + bare(name))
                    .paramLabel(name.endsWith(MANY) ? "FILE" + MANY : "VALUE")
                    .type(List.class)
                    .auxiliaryTypes(String.class)
                    .description(plain(doc))
                    .build()));
    if (!p.positionals().isEmpty()) {
      spec.addPositional(
          PositionalParamSpec.builder()
              .index("0..*")
              .arity("0..*")
              .paramLabel(p.positionals())
              .type(List.class)
              .auxiliaryTypes(String.class)
              .build());
    }
  }

  /// A flag that is given twice with different values: nobody can know which was meant.
  private static void refuseContradictions(Program p, ParseResult r) throws ConfigException {
    if (LAST_COUNTS.contains(p.name())) {
      return;
    }
    for (OptionSpec o : r.matchedOptions()) {
      List<String> values = o.originalStringValues().stream().distinct().toList();
      if (o.type() != List.class && values.size() > 1) {
        // Arguments of a command may hold keys.
        boolean secret = o.longestName().matches(".*(token|key|args|command)");
        throw new ConfigException(
            o.longestName()
                + ": given twice, "
                + (secret ? "with different values" : String.join(" and ", values))
                + " (expected: once)");
      }
    }
  }

  private Program.Args arguments(Program p, ParseResult r) throws ConfigException {
    refuseContradictions(p, r);
    Map<String, String> flags = new HashMap<>();
    for (Key<?> k : p.keys()) {
      if (r.hasMatchedOption(k.flagName())) {
        Object value = r.<Object>matchedOptionValue(k.flagName(), "");
        flags.put(
            k.name(),
            value instanceof List<?> all
                ? all.stream().map(String::valueOf).collect(Collectors.joining(" "))
                : String.valueOf(value));
      }
    }
    Map<String, List<String>> repeated = new HashMap<>();
    for (String name : p.repeatable().keySet()) {
      String bare = bare(name);
      repeated.put(bare, List.copyOf(r.<List<String>>matchedOptionValue("--" + bare, List.of())));
    }
    List<String> positionals = new ArrayList<>();
    for (PositionalParamSpec s : new LinkedHashSet<>(r.matchedPositionals())) {
      positionals.addAll(s.originalStringValues());
    }
    String file = p.takesFile() ? r.matchedOptionValue(FILE, (String) null) : null;
    Wrongs wrong = new Wrongs();
    Config config = Config.gather(p.keys(), flags, env, file == null ? null : Path.of(file), wrong);
    Program.Args out = new Program.Args(config, flags, positionals, repeated);
    if (!wrong.none()) {
      wrong.in(() -> p.check().check(out, wrong));
      config.warnings().forEach(w -> wrong.add("warning: " + w));
    }
    wrong.end();
    return out;
  }

  static String version() {
    String v = Main.class.getPackage().getImplementationVersion();
    return v == null ? "(development)" : v;
  }
}
