package org.infinilm.svc.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Json;

/// `infini compare`: result files of the paged and the static instance side by side.
public final class Compare {
  private static final Key<Boolean> JSON = Key.flag("json", false, "Print JSON.");
  private static final Key<Boolean> AUTO_DETECT =
      Key.flag("auto_detect", false, "Take every result file in the results folder.");
  private static final Key<String> RESULTS_DIR =
      Key.text("results_dir", "results", "Folder for --auto-detect.");

  private static final Map<String, String> FILES = files();

  public static final Program PROGRAM =
      new Program(
          "compare",
          "Compare benchmark results of the paged and the static instance.",
          List.of(JSON, AUTO_DETECT, RESULTS_DIR),
          FILES,
          "FILE",
          false,
          args -> run(args, System.out, System.err));

  private Compare() {}

  private static Map<String, String> files() {
    Map<String, String> out = new LinkedHashMap<>();
    out.put("paged", "Result file of the paged side; repeatable, the newest counts.");
    out.put("static", "Result file of the static side; repeatable, the newest counts.");
    return out;
  }

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    try {
      Map<Side, List<ResultFile>> sides = read(args);
      Comparison comparison =
          new Comparison(
              newest(sides, Side.PAGED),
              newest(sides, Side.STATIC),
              count(sides, Side.PAGED),
              count(sides, Side.STATIC));
      if (args.config().get(JSON)) {
        out.println(Json.text(comparison.plain()));
      } else {
        comparison.report().forEach(out::println);
      }
      return anythingCompleted(comparison, err) ? 0 : 1;
    } catch (ResultFile.Unusable | Nothing e) {
      err.println(e.getMessage());
      return 1;
    }
  }

  /// There is nothing to compare; the message says what was expected.
  private static final class Nothing extends Exception {
    Nothing(String message) {
      super(message);
    }
  }

  private static Map<Side, List<ResultFile>> read(Program.Args args)
      throws ConfigException, ResultFile.Unusable, Nothing {
    Map<Side, List<ResultFile>> sides = new EnumMap<>(Side.class);
    for (Side side : Side.values()) {
      for (String f : args.all(side.label())) {
        add(sides, side, ResultFile.read(Path.of(f)));
      }
    }
    for (String f : args.positionals()) {
      ResultFile file = ResultFile.read(Path.of(f));
      add(
          sides,
          file.side()
              .orElseThrow(() ->
                  new Nothing(
                      f
                          + ": neither its name nor its label \""
                          + file.label()
                          + "\" says paged or static (expected: one of them; --paged FILE or"
                          + " --static FILE says it)")),
          file);
    }
    if (args.config().get(AUTO_DETECT)) {
      for (Path p : results(Path.of(args.config().get(RESULTS_DIR)))) {
        Path name = p.getFileName();
        if (name != null && ResultFile.side(name.toString()).isPresent()) {
          ResultFile file = ResultFile.read(p);
          file.side().ifPresent(side -> add(sides, side, file));
        }
      }
    }
    return sides;
  }

  private static void add(Map<Side, List<ResultFile>> sides, Side side, ResultFile file) {
    sides.computeIfAbsent(side, s -> new ArrayList<>()).add(file);
  }

  private static List<Path> results(Path folder) throws Nothing {
    List<Path> out = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, "*.json")) {
      entries.forEach(out::add);
    } catch (IOException e) {
      throw new Nothing(
          "--results-dir: "
              + folder
              + " (expected: a folder with result files): "
              + GenContext.reason(e));
    }
    out.sort(Comparator.naturalOrder());
    return out;
  }

  private static int count(Map<Side, List<ResultFile>> sides, Side side) {
    return sides.getOrDefault(side, List.of()).size();
  }

  /// The file with the latest date; of equal ones the last given.
  private static ResultFile newest(Map<Side, List<ResultFile>> sides, Side side) throws Nothing {
    ResultFile best = null;
    for (ResultFile f : sides.getOrDefault(side, List.of())) {
      if (best == null || f.date().compareTo(best.date()) >= 0) {
        best = f;
      }
    }
    if (best == null) {
      throw new Nothing(
          "no result file of the "
              + side.label()
              + " side (expected: at least one of each, for example results/paged-cache-*.json"
              + " results/static-cache-*.json, or --auto-detect)");
    }
    return best;
  }

  private static boolean anythingCompleted(Comparison c, PrintStream err) {
    boolean good = true;
    for (ResultFile f : List.of(c.paged(), c.statik())) {
      if (f.completed() == 0) {
        err.println(
            f.path()
                + ": no request completed, "
                + f.failed()
                + " failed: its figures mean nothing");
        good = false;
      }
    }
    return good;
  }
}
