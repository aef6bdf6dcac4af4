package org.infinilm.svc.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Words;

/// `infini man [COMMAND]`: a command's manual page as man(7) source, `infini man --to FOLDER` all
/// of them as files. Made of the same keys that the programs read.
final class Manual {
  private static final Key<String> TO =
      Key.text("to", null, "Folder to write all pages to, as infini-COMMAND.1.");

  static final Program PROGRAM =
      new Program(
          "man",
          "Print a command's manual page (infini man router | man -l -), or write all of them.",
          List.of(TO),
          Map.of(),
          "[COMMAND]",
          false,
          Manual::run);

  private static final String CODES =
      """
      .SH EXIT STATUS
      0: fine. 1: it ran, and the answer is no or it could not go on. 2: wrong usage or settings.
      """;

  private Manual() {}

  private static int run(Program.Args args) throws ConfigException, IOException {
    String name = String.join(" ", args.positionals());
    var to = args.config().find(TO);
    if (to.isEmpty()) {
      System.out.print(page(name, Main.PROGRAMS));
      return 0;
    }
    if (!name.isEmpty()) {
      throw new ConfigException("man: " + name + " with --to (expected: one of both)");
    }
    Path folder = Files.createDirectories(Path.of(to.get()));
    Files.writeString(folder.resolve("infini.1"), page("", Main.PROGRAMS));
    for (Program p : shown(Main.PROGRAMS)) {
      Files.writeString(folder.resolve(title(p.name()) + ".1"), page(p.name(), Main.PROGRAMS));
    }
    return 0;
  }

  private static List<Program> shown(List<Program> all) {
    return all.stream().filter(p -> !p.name().equals(StartCache.PROGRAM.name())).toList();
  }

  /// @param name a command; empty for the page of `infini` itself
  /// @throws ConfigException when there is no such command
  static String page(String name, List<Program> programs) throws ConfigException {
    List<Program> all = shown(programs);
    if (name.isEmpty()) {
      return roof(all);
    }
    for (Program p : all) {
      if (p.name().equals(name)) {
        return of(p);
      }
    }
    throw new ConfigException(
        "man: "
            + name
            + Words.hint(name, all.stream().map(Program::name).toList())
            + " (expected: a command of infini --help)");
  }

  private static String title(String name) {
    return "infini-" + name.replace(' ', '-');
  }

  private static StringBuilder head(String title, String doc) {
    return new StringBuilder(1024)
        .append(".TH ")
        .append(text(title.toUpperCase(Locale.ROOT)))
        .append(" 1 \"\" \"infini ")
        .append(CommandLineParser.version())
        .append("\" \"User Commands\"\n.SH NAME\n")
        .append(text(title))
        .append(" \\- ")
        .append(text(doc))
        .append("\n.SH SYNOPSIS\n");
  }

  private static String roof(List<Program> all) {
    StringBuilder b =
        head("infini", "one OpenAI-compatible address in front of several inference servers");
    b.append(".B infini\n.I COMMAND\n[\\fIOPTION\\fR]...\n.SH COMMANDS\n");
    for (Program p : all) {
      b.append(".TP\n.B ").append(text(p.name())).append('\n').append(text(p.doc())).append('\n');
    }
    b.append(CODES).append(".SH SEE ALSO\n");
    b.append(
        String.join(
            ",\n", all.stream().map(p -> ".BR " + text(title(p.name())) + " (1)").toList()));
    return b.append('\n').toString();
  }

  private static String of(Program p) {
    StringBuilder b = head(title(p.name()), p.doc());
    b.append(".B infini ").append(text(p.name())).append("\n[\\fIOPTION\\fR]...\n");
    if (!p.positionals().isEmpty()) {
      b.append(text(p.positionals())).append('\n');
    }
    b.append(".SH DESCRIPTION\n").append(text(p.doc())).append("\n.SH OPTIONS\n");
    if (p.takesFile()) {
      option(b, "--config-file", "FILE", "TOML file with these settings.", "");
    }
    for (Key<?> k : p.keys()) {
      if (!k.isTables()) {
        String flag = k.type().isSwitch() ? "--[no-]" + k.flagName().substring(2) : k.flagName();
        option(b, flag, k.type().label(), k.doc(), k.type().isSwitch() ? "" : Key.show(k));
      }
    }
    p.repeatable()
        .forEach((name, doc) -> option(b, "--" + name.replace("...", ""), "VALUE", doc, ""));
    option(b, "--help", "", "Print a help.", "");
    if (!p.keys().isEmpty()) {
      b.append(".SH ENVIRONMENT\nEach option is read from a variable as well: ");
      b.append(text(p.keys().getFirst().envName()));
      b.append(" for ").append(text(p.keys().getFirst().flagName()));
      b.append(", and so on. An option comes before a variable, a variable before the file.\n");
    }
    return b.append(CODES).append(".SH SEE ALSO\n.BR infini (1)\n").toString();
  }

  private static void option(
      StringBuilder b, String flag, String value, String doc, String fallback) {
    b.append(".TP\n.B ").append(text(flag));
    if (!value.isEmpty()) {
      b.append(" \\fI").append(text(value)).append("\\fR");
    }
    b.append('\n').append(text(doc.endsWith(".") ? doc : doc + "."));
    if (!fallback.isBlank()) {
      b.append(" Default: ").append(text(fallback)).append('.');
    }
    b.append('\n');
  }

  /// Text that is no request and has no escapes (man(7)); a dash is a minus, which can be copied.
  private static String text(String s) {
    String out = s.replace("\\", "\\e").replace("-", "\\-").replace('\n', ' ');
    return out.startsWith(".") || out.startsWith("'") ? "\\&" + out : out;
  }
}
