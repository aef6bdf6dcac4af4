package org.infinilm.svc.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi.Text;
import picocli.CommandLine.Help.ColorScheme;
import picocli.CommandLine.Help.IParamLabelRenderer;
import picocli.CommandLine.Help.Layout;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/// How `--help` looks: one line of usage, the options that one needs first, then all others, each
/// under one name.
final class Help {
  private Help() {}

  /// Gives a command its help.
  ///
  /// @param first names of the options to show first; none for one list of all
  /// @param note a line under the lists, or empty
  static void shape(CommandSpec spec, Set<String> first, String note) {
    UsageMessageSpec usage = spec.usageMessage();
    usage.customSynopsis(synopsis(spec));
    usage.footer(note.isEmpty() ? new String[0] : new String[] {"", note});
    usage
        .sectionMap()
        .put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, help -> options(help, spec, first));
  }

  /// The line of usage alone.
  static String usage(CommandSpec spec) {
    return "Usage: " + synopsis(spec);
  }

  private static String synopsis(CommandSpec spec) {
    StringBuilder line = new StringBuilder(spec.qualifiedName());
    line.append(spec.subcommands().isEmpty() ? " [OPTION]..." : " COMMAND [OPTION]...");
    spec.positionalParameters().forEach(p -> line.append(' ').append(p.paramLabel()));
    return line.toString();
  }

  private static String options(CommandLine.Help help, CommandSpec spec, Set<String> first) {
    List<OptionSpec> needed = new ArrayList<>();
    List<OptionSpec> others = new ArrayList<>();
    for (OptionSpec o : spec.options()) {
      (first.contains(o.longestName()) ? needed : others).add(o);
    }
    others.sort((a, b) -> a.longestName().compareTo(b.longestName()));
    return needed.isEmpty()
        ? "\nOptions:\n" + list(help, others)
        : "\nOptions that one needs first:\n"
            + list(help, needed)
            + "\nAll others:\n"
            + list(help, others);
  }

  private static String list(CommandLine.Help help, List<OptionSpec> options) {
    Layout layout =
        new Layout(
            help.colorScheme(),
            help.createDefaultLayout().textTable(),
            Help::row,
            help.createDefaultParameterRenderer());
    layout.addAllOptions(options, help.createDefaultParamLabelRenderer());
    return layout.toString();
  }

  /// One option in picocli's five columns: mark, short name, comma, long names, what it does.
  private static Text[][] row(OptionSpec o, IParamLabelRenderer label, ColorScheme scheme) {
    String shortName = o.shortestName().startsWith("--") ? "" : o.shortestName();
    List<String> longs = new ArrayList<>();
    for (String n : shown(o)) {
      if (n.startsWith("--")) {
        longs.add(o.negatable() ? "--[no-]" + n.substring(2) : n);
      }
    }
    String value = o.arity().max() == 0 ? "" : "=" + o.paramLabel();
    String repeated = o.isMultiValue() ? "..." : "";
    return new Text[][] {
      {
        scheme.text(""),
        scheme.optionText(shortName),
        scheme.text(shortName.isEmpty() || longs.isEmpty() ? "" : ","),
        scheme.text(String.join(", ", longs) + value + repeated),
        scheme.text(String.join(" ", o.description()))
      }
    };
  }

  /// Its names without those that are the same with underscores.
  private static List<String> shown(OptionSpec o) {
    List<String> names = List.of(o.names());
    return names.stream()
        .filter(
            n -> !n.contains("_") || !names.contains(n.replace('_', '-').toLowerCase(Locale.ROOT)))
        .toList();
  }
}
