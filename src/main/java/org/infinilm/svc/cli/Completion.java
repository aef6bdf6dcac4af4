package org.infinilm.svc.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;

/// `infini completion SHELL`: a script that completes commands, options and the words that some
/// options take, for bash, zsh or fish. Made of the same keys that the programs read.
final class Completion {
  static final Program PROGRAM =
      new Program(
          "completion",
          "Print a script that completes commands and options: bash, zsh or fish.",
          List.of(),
          Map.of(),
          "SHELL",
          false,
          Completion::run);

  /// Executables that are one program each.
  private static final List<String> DROP_INS = List.of("registry", "router", "babysitter");

  /// One option.
  ///
  /// @param words the values it takes; none for others than these
  private record Option(String name, String doc, boolean takesValue, List<String> words) {}

  private final List<Program> programs;

  private Completion(List<Program> programs) {
    this.programs =
        programs.stream().filter(p -> !p.name().equals(StartCache.PROGRAM.name())).toList();
  }

  private static int run(Program.Args args) throws ConfigException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "completion: " + args.positionals() + " (expected: one of bash, zsh, fish)");
    }
    System.out.print(of(args.positionals().getFirst(), Main.PROGRAMS));
    return 0;
  }

  /// @throws ConfigException when there is no such shell
  static String of(String shell, List<Program> programs) throws ConfigException {
    Completion c = new Completion(programs);
    return switch (shell) {
      case "bash" -> c.bash();
      case "zsh" -> c.zsh();
      case "fish" -> c.fish();
      default ->
          throw new ConfigException("completion: " + shell + " (expected: one of bash, zsh, fish)");
    };
  }

  private static List<Option> options(Program p) {
    List<Option> out = new ArrayList<>();
    if (p.takesFile()) {
      out.add(new Option("--config-file", "TOML file with these settings", true, List.of()));
    }
    for (Key<?> k : p.keys()) {
      if (!k.isTables()) {
        List<String> words =
            k.type().schema().get("enum") instanceof List<?> all
                ? all.stream().map(String::valueOf).toList()
                : List.of();
        out.add(new Option(k.flagName(), k.doc(), !k.type().isSwitch(), words));
        if (k.type().isSwitch()) {
          out.add(new Option("--no-" + k.flagName().substring(2), k.doc(), false, List.of()));
        }
      }
    }
    p.repeatable()
        .forEach((name, doc) ->
            out.add(new Option("--" + name.replace("...", ""), doc, true, List.of())));
    out.add(new Option("--help", "Print the help.", false, List.of()));
    return out;
  }

  /// What may follow each prefix of command words, by that prefix; the first is empty.
  private Map<String, Map<String, String>> commands() {
    Map<String, Map<String, String>> out = new LinkedHashMap<>();
    for (Program p : programs) {
      String[] words = p.name().split(" ");
      String prefix = "";
      for (int k = 0; k < words.length; k++) {
        String doc = k == words.length - 1 ? p.doc() : "";
        out.computeIfAbsent(prefix, x -> new LinkedHashMap<>())
            .merge(words[k], doc, (a, b) -> a.isEmpty() ? b : a);
        prefix = (prefix + " " + words[k]).strip();
      }
    }
    return out;
  }

  private static String names(List<Option> options) {
    return options.stream().map(Option::name).collect(Collectors.joining(" "));
  }

  private String bash() {
    StringBuilder b = new StringBuilder(2048);
    b.append(
        """
        # bash completion of infini; made by: infini completion bash
        _infini() {
          local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' k word flags='' words=''
          case ${COMP_WORDS[0]##*/} in infini-*) command=${COMP_WORDS[0]##*/infini-} ;; esac
          for ((k = 1; k < COMP_CWORD; k++)); do
            word=${COMP_WORDS[k]}
            case $word in -*) break ;; esac
            case "$command $word" in
        """);
    b.append(ways());
    b.append(
        """
              *) break ;;
            esac
            command="${command:+$command }$word"
          done
          case $command in
        """);
    Map<String, Map<String, String>> commands = commands();
    commands.forEach((prefix, next) -> {
      if (programs.stream().noneMatch(p -> p.name().equals(prefix))) {
        b.append("    '").append(prefix).append("') words='");
        b.append(String.join(" ", next.keySet())).append("' flags='--help --version' ;;\n");
      }
    });
    for (Program p : programs) {
      List<Option> options = options(p);
      b.append("    '").append(p.name()).append("')\n      flags='").append(names(options));
      b.append("'\n");
      Map<String, String> next = commands.getOrDefault(p.name(), Map.of());
      if (!next.isEmpty()) {
        b.append("      words='").append(String.join(" ", next.keySet())).append("'\n");
      }
      b.append("      case $before in\n");
      for (Option o : options) {
        if (!o.words().isEmpty()) {
          b.append("        ").append(o.name()).append(") flags='' words='");
          b.append(String.join(" ", o.words())).append("' ;;\n");
        }
      }
      String free =
          options.stream()
              .filter(o -> o.takesValue() && o.words().isEmpty())
              .map(Option::name)
              .collect(Collectors.joining(" | "));
      if (!free.isEmpty()) {
        b.append("        ").append(free).append(") flags='' ;;\n");
      }
      b.append("      esac ;;\n");
    }
    b.append(
        """
          esac
          case $current in
            -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
            *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
          esac
        }
        """);
    b.append("complete -o bashdefault -o default -F _infini infini");
    DROP_INS.forEach(d -> b.append(" infini-").append(d));
    return b.append('\n').toString();
  }

  /// The cases (bash, zsh) of the words that lead to a command or are one.
  private String ways() {
    return Stream.concat(programs.stream().map(Program::name), commands().keySet().stream())
        .filter(k -> !k.isEmpty())
        .distinct()
        .map(k -> "      '" + spaced(k) + "') ;;\n")
        .collect(Collectors.joining());
  }

  /// The way of the words of a command: what stands before the last word, a space, the last word.
  private static String spaced(String command) {
    return command.contains(" ") ? command : " " + command;
  }

  private String zsh() {
    StringBuilder b = new StringBuilder(2048);
    b.append("#compdef infini");
    DROP_INS.forEach(d -> b.append(" infini-").append(d));
    b.append(
        """

        # zsh completion of infini; made by: infini completion zsh
        _infini() {
          local command='' k=2
          case ${words[1]:t} in infini-*) command=${${words[1]:t}#infini-} ;; esac
          while ((k < CURRENT)); do
            case "$command ${words[k]}" in
        """);
    b.append(ways());
    b.append(
        """
              *) break ;;
            esac
            command="${command:+$command }${words[k]}"
            ((k++))
          done
          ((k > 2)) && words=("$command" "${words[@]:$((k - 1))}") && ((CURRENT -= k - 2))
          case $command in
        """);
    Map<String, Map<String, String>> commands = commands();
    commands.forEach((prefix, next) -> {
      if (programs.stream().noneMatch(p -> p.name().equals(prefix))) {
        b.append("    '").append(prefix).append("') _values command");
        next.forEach((word, doc) -> b.append(" \\\n      ").append(zshWord(word, doc)));
        b.append(" ;;\n");
      }
    });
    for (Program p : programs) {
      b.append("    '").append(p.name()).append("')");
      Map<String, String> next = commands.getOrDefault(p.name(), Map.of());
      b.append(" _arguments");
      for (Option o : options(p)) {
        b.append(" \\\n      '").append(o.name()).append(o.takesValue() ? "=" : "");
        b.append('[').append(zshText(o.doc())).append(']');
        if (o.takesValue()) {
          b.append(":value:");
          b.append(
              o.words().isEmpty()
                  ? "_files"
                  : "(" + String.join(" ", o.words()).replace(":", "\\:") + ")");
        }
        b.append('\'');
      }
      b.append(" \\\n      '*:argument:");
      b.append(next.isEmpty() ? "_files" : "(" + String.join(" ", next.keySet()) + ")");
      b.append("' ;;\n");
    }
    return b.append("  esac\n}\n_infini \"$@\"\n").toString();
  }

  private static String zshWord(String word, String doc) {
    return "'" + word + (doc.isEmpty() ? "" : "[" + zshText(doc) + "]") + "'";
  }

  /// Text between brackets and single quotes.
  private static String zshText(String doc) {
    return doc.replace("\\", "\\\\")
        .replace("[", "\\[")
        .replace("]", "\\]")
        .replace(":", "\\:")
        .replace("'", "'\\''");
  }

  private String fish() {
    StringBuilder b = new StringBuilder(2048);
    b.append("# fish completion of infini; made by: infini completion fish\n");
    Map<String, Map<String, String>> commands = commands();
    commands.forEach((prefix, next) -> {
      String only =
          prefix.isEmpty() ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + prefix;
      next.forEach((word, doc) ->
          b.append("complete -c infini -f -n ")
              .append(fishText(only))
              .append(" -a ")
              .append(word)
              .append(doc.isEmpty() ? "" : " -d " + fishText(doc))
              .append('\n'));
    });
    for (Program p : programs) {
      String[] words = p.name().split(" ");
      StringBuilder seen = new StringBuilder();
      for (String w : words) {
        seen.append(seen.isEmpty() ? "" : "; and ")
            .append("__fish_seen_subcommand_from ")
            .append(w);
      }
      for (Option o : options(p)) {
        fish(b, "infini -n " + fishText(seen.toString()), o);
      }
      if (DROP_INS.contains(p.name())) {
        options(p).forEach(o -> fish(b, "infini-" + p.name(), o));
      }
    }
    return b.toString();
  }

  private static void fish(StringBuilder b, String whom, Option o) {
    b.append("complete -c ").append(whom).append(" -l ").append(o.name().substring(2));
    if (!o.words().isEmpty()) {
      b.append(" -x -a ").append(fishText(String.join(" ", o.words())));
    } else if (o.takesValue()) {
      b.append(" -r");
    }
    b.append(" -d ").append(fishText(o.doc())).append('\n');
  }

  private static String fishText(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
