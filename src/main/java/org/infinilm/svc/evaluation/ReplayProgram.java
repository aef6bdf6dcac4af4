package org.infinilm.svc.evaluation;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;

/// `infini replay`: what a router's recorded traffic would have come to with another policy,
/// another threshold or another fleet.
public final class ReplayProgram {
  private static final Key<String> FLEET =
      Key.text("fleet", "2+2", "fleet: a file, or paged+static as in 2+2");
  private static final Key<String> POLICY =
      Key.text("policy", "adaptive", "what is tried, with commas between");
  private static final Key<Long> THRESHOLD =
      Key.whole(
          "threshold",
          null,
          0,
          1L << 40,
          "of the size rule in bytes of a body, instead of the fleet's or the recorded one");
  private static final Key<Double> FASTER =
      Key.number("faster", 1.0, 0.01, 100, "how many times as fast requests come as they did");
  private static final Key<Boolean> SPEEDS =
      Key.flag("fit_speeds", true, "fit each instance's speed to the recording first");
  private static final Key<String> MODEL =
      Key.text("model", null, "whose requests are meant, where the log has several models");
  private static final Key<String> JSON = Key.text("json", null, "file for all figures");

  public static final Program PROGRAM =
      new Program(
          "replay",
          "Run a router's decision log through another policy, threshold or fleet.",
          List.of(FLEET, POLICY, THRESHOLD, FASTER, SPEEDS, MODEL, JSON),
          Map.of(),
          "FILE",
          false,
          args -> run(args, System.out, System.err));

  /// Of a threshold.
  private static final long NOT_SAID = -1;

  /// The size rule's threshold, and whose it is.
  private record Rule(long thresholdBytes, String whose) {
    static Rule of(Optional<Long> asked, long fleets, long recorded) {
      return asked.isPresent()
          ? new Rule(asked.get(), "as asked for")
          : fleets != NOT_SAID
              ? new Rule(fleets, "as the fleet says")
              : recorded != NOT_SAID
                  ? new Rule(recorded, "as recorded")
                  : new Rule(FleetPlan.USUAL_THRESHOLD_BYTES, "the usual one");
    }
  }

  private ReplayProgram() {}

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "replay: " + args.positionals().size() + " files given (expected: one FILE)");
    }
    Config c = args.config();
    JsonFile.check(c.find(JSON));
    List<String> arms = new ArrayList<>();
    for (String a : Arrays.stream(c.get(POLICY).split(",")).map(String::strip).toList()) {
      try {
        if (!a.equals(Arms.BEST_CUT)) {
          Arms.of(a);
        }
      } catch (IllegalArgumentException e) {
        throw new ConfigException(
            "--policy: " + a + " (expected: some of " + String.join(", ", Arms.names()) + ")");
      }
      arms.add(a);
    }
    FleetPlan fleet = FleetPlan.of(c.get(FLEET), NOT_SAID);
    DecisionTrace trace =
        DecisionTrace.read(Path.of(args.positionals().getFirst()), c.find(MODEL).orElse(null));
    trace.problems().forEach(err::println);
    Rule rule = Rule.of(c.find(THRESHOLD), fleet.thresholdBytes(), trace.thresholdBytes());
    FleetPlan plan = fleet.withThreshold(rule.thresholdBytes());
    out.printf(
        Locale.ROOT,
        "%d requests at %.3g/s%s%s%s%s%n",
        trace.size(),
        trace.rate(),
        trace.pause(),
        trace.guessed() == 0
            ? ""
            : ", "
                + trace.guessed()
                + " of them load alone: whole answers without token counts, as long as others",
        trace.left() == 0
            ? ""
            : ", " + trace.left() + " left out: not answered in full, or without token counts",
        trace.others() == 0 ? "" : ", " + trace.others() + " of other models left out");
    out.printf("size rule: %d bytes, %s%n", rule.thresholdBytes(), rule.whose());
    Fitting fit = new Fitting(trace, plan, c.get(SPEEDS));
    out.print(fit.report());
    out.println();
    Study study = new Study(trace, fit.plan(), 0.95);
    double rate = trace.rate() * c.get(FASTER);
    List<Study.Result> results = study.run(arms, 1, rate);
    Map<String, List<Share>> shares = new LinkedHashMap<>();
    Workload w = trace.at(1, rate);
    for (String a : arms) {
      if (!a.equals(Arms.BEST_CUT)) {
        Outcome o = new FleetRun(fit.plan(), w, Arms.of(a), 1).run();
        shares.put(a, Share.of(o, fit.plan(), w.spanNanos()));
      }
    }
    Report report = new Report(trace.name(), fit.plan(), 0.95, rate, results, List.of(), shares);
    out.print(report.table());
    out.println();
    shares.forEach((a, of) -> out.print(text(a, of)));
    return json(c, report, err);
  }

  /// How much each instance would have had to do.
  private static String text(String policy, List<Share> shares) {
    StringBuilder b = new StringBuilder("load with " + policy + ":");
    for (Share s : shares) {
      b.append(
          String.format(
              Locale.ROOT,
              "%n  %s (%s): %d requests, %.2f at once on average",
              s.instance(),
              s.isStatic() ? "static" : "paged",
              s.requests(),
              s.atOnce()));
    }
    return b.append("\n").toString();
  }

  private static int json(Config c, Report report, PrintStream err) {
    Optional<String> file = c.find(JSON);
    try {
      if (file.isPresent()) {
        Files.writeString(Path.of(file.get()), report.json());
      }
      return 0;
    } catch (IOException e) {
      err.println("--json: " + file.get() + " cannot be written (expected: a file)");
      return 1;
    }
  }
}
