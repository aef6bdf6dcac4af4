package org.infinilm.svc.comparison;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.comparison.CompareKind.Seat;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.results.ResultFile;

/// `infini compare`: result files side by side, with intervals; differences within the noise are
/// not called differences.
public final class Compare {
  private static final String AUTO = "auto";

  private static final Key<String> KIND =
      Key.oneOf(
          "kind",
          AUTO,
          List.of(AUTO, "cache-types", "strategies", "cache-routing", "runs"),
          "What is compared: paged with static, size-based with 2-paged round-robin, single with round-robin with cache routing, or any two files. auto: told by the flags, names and labels.");
  private static final Key<Boolean> STRATEGIES =
      Key.flag("strategies", false, "The same as --kind strategies.");
  private static final Key<Boolean> JSON = Key.flag("json", false, "Print JSON.");
  private static final Key<Boolean> MARKDOWN = Key.flag("markdown", false, "Print Markdown.");
  private static final Key<Boolean> AUTO_DETECT =
      Key.flag("auto_detect", false, "Take every result file in the results folder.");
  private static final Key<String> RESULTS_DIR =
      Key.text("results_dir", "results", "Folder for --auto-detect.");
  private static final Key<Boolean> FORCE =
      Key.flag("force", false, "Compare different workloads too.");
  public static final Program PROGRAM =
      new Program(
          "compare",
          "Compare benchmark results: cache types, routing strategies, or any two runs.",
          List.of(KIND, STRATEGIES, JSON, MARKDOWN, AUTO_DETECT, RESULTS_DIR, FORCE),
          files(),
          "FILE",
          false,
          args -> run(args, System.out, System.err));

  private Compare() {}

  private static Map<String, String> files() {
    Map<String, String> out = new LinkedHashMap<>();
    for (CompareKind kind : CompareKind.values()) {
      for (Seat s : kind.seats()) {
        out.put(
            s.key() + "...",
            "Result files of one side (" + s.title() + "); several are repeated runs.");
      }
    }
    return out;
  }

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    CompareInputs inputs;
    try {
      inputs = CompareInputs.read(wish(args));
    } catch (ResultFile.Unusable | CompareInputs.Nothing e) {
      err.println(e.getMessage());
      return 1;
    }
    ComparisonReport report = ComparisonReport.of(inputs);
    if (args.config().get(JSON)) {
      out.println(Json.text(report.plain()));
    } else {
      (args.config().get(MARKDOWN) ? report.markdown() : report.text()).forEach(out::println);
    }
    return anythingCompleted(inputs, err) ? 0 : 1;
  }

  private static CompareInputs.Wish wish(Program.Args args) throws ConfigException {
    Map<String, List<String>> named = new LinkedHashMap<>();
    for (CompareKind kind : CompareKind.values()) {
      for (Seat s : kind.seats()) {
        if (!args.all(s.key()).isEmpty()) {
          named.put(s.key(), args.all(s.key()));
        }
      }
    }
    return new CompareInputs.Wish(
        args.config().get(STRATEGIES)
            ? Optional.of(CompareKind.STRATEGIES)
            : CompareKind.byWord(args.config().get(KIND)),
        named,
        args.positionals(),
        args.config().get(AUTO_DETECT)
            ? Optional.of(Path.of(args.config().get(RESULTS_DIR)))
            : Optional.empty(),
        args.config().get(FORCE));
  }

  private static boolean anythingCompleted(CompareInputs inputs, PrintStream err) {
    boolean good = true;
    for (Side side : inputs.sides()) {
      for (ResultFile f : side.runs()) {
        if (f.completed() == 0) {
          err.println(
              f.path()
                  + ": no request completed, "
                  + f.failed()
                  + " failed: its figures mean nothing");
          good = false;
        }
      }
    }
    return good;
  }
}
