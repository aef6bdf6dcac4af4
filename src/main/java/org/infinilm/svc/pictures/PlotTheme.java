package org.infinilm.svc.pictures;

import java.awt.Color;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The colours of a picture. Series colours are told apart with every common colour blindness (M.
/// Okabe and K. Ito, Color Universal Design, 2008), the light ones being darkened for contrast on
/// white; series differ in their marks too.
enum PlotTheme {
  LIGHT(
      "#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#b3261e", "#0066a8", "#c25100", "#007a5a",
      "#a4478a", "#6b5b00", "#3d4752"),
  DARK(
      "#0d1117", "#e6edf3", "#9da7b3", "#30363d", "#ff8a80", "#56b4e9", "#f0913a", "#2fc79a",
      "#e08fc6", "#e5d352", "#b6c2cf");

  private static final List<String> NAMES =
      List.of("bg", "ink", "soft", "grid", "bad", "s0", "s1", "s2", "s3", "s4", "s5");
  static final int SERIES = 6;

  private final String hexes;

  PlotTheme(String... hexes) {
    this.hexes = String.join(" ", hexes);
  }

  /// CSS variable name to `#rrggbb`.
  Map<String, String> variables() {
    Map<String, String> out = new LinkedHashMap<>();
    String[] each = hexes.split(" ");
    for (int i = 0; i < each.length; i++) {
      out.put(NAMES.get(i), each[i]);
    }
    return out;
  }

  Color color(String name) {
    return Color.decode(variables().getOrDefault(name, "#000000"));
  }

  Color series(int i) {
    return color("s" + i % SERIES);
  }

  /// `--bg:#ffffff;--ink:...`.
  String css() {
    StringBuilder out = new StringBuilder();
    variables().forEach((k, v) -> out.append("--").append(k).append(':').append(v).append(';'));
    return out.toString();
  }
}
