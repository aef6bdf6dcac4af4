package org.infinilm.svc.pictures;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;

/// `infini plot`: one HTML page of a result or of several side by side, and pictures of it. Names
/// nothing of AWT: every start of `infini` loads this class.
public final class Plot {
  /// Which figures there are.
  static final List<String> WORDS =
      List.of(
          "ttft",
          "ttft-cdf",
          "tpot",
          "tpot-cdf",
          "e2e",
          "e2e-cdf",
          "timeline",
          "capacity",
          "goodput",
          "load",
          "course");

  static final Key<String> OUTPUT =
      Key.text(
          "output", null, "HTML page to write. Default: plot.html, unless a picture is asked for.");
  static final Key<String> SVG = Key.text("svg", null, "SVG picture to write.");
  static final Key<String> PNG = Key.text("png", null, "PNG picture to write.");
  static final Key<String> THEME =
      Key.oneOf(
          "theme",
          "light",
          List.of("light", "dark"),
          "Colours of the PNG. The page and the SVG follow the reader's setting.");

  static final Key<String> CHARTS =
      new Key<>(
          "charts",
          new Key.Type<>("LIST", Plot::words),
          String.join(",", WORDS),
          List.of(),
          false,
          "Charts to draw, separated by commas; the last four are of evaluations and replays.");

  public static final Program PROGRAM =
      new Program(
          "plot",
          "Draw results of benchmarks, evaluations or replays: one HTML page, SVG or PNG.",
          List.of(OUTPUT, SVG, PNG, CHARTS, THEME),
          Map.of(),
          "FILE",
          false,
          args -> PlotRun.run(args, System.out, System.err));

  private Plot() {}

  private static String words(String text) {
    for (String word : text.split(",", -1)) {
      if (!WORDS.contains(word.strip())) {
        throw new IllegalArgumentException("(expected: some of " + String.join(", ", WORDS) + ")");
      }
    }
    return text.replace(" ", "");
  }
}
