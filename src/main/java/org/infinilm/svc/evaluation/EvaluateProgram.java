package org.infinilm.svc.evaluation;

import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.jspecify.annotations.Nullable;

/// `infini evaluate`: policies on one traffic before one simulated fleet, on a virtual clock.
public final class EvaluateProgram {
  /// Requests of a run that tells a capacity.
  private static final int ENOUGH = 300;

  private static final Key<String> TRACE =
      Key.text(
          "trace",
          "chat",
          "traffic: a file (Azure's, BurstGPT's or own CSV, Mooncake's JSON lines), or one of chat, agents, conversations, cjk, code, shift, long-outputs, bursts, sessions");
  private static final Key<String> FLEET =
      Key.text("fleet", "2+2", "fleet: a file, or paged+static as in 2+2");
  private static final Key<String> POLICIES =
      Key.text(
          "policies",
          "fixed,best-cut,least-loaded,oracle",
          "what is compared, with commas between; the first is what others are compared with");
  private static final Key<Long> SEEDS =
      Key.whole("seeds", 10L, 1, 1000, "how many workloads, each for every policy");
  private static final Key<Long> FROM_SEED =
      Key.whole(
          "from_seed", 1L, 1, 1_000_000, "the first of the seeds; others than 1 are held out");
  private static final Key<Long> REQUESTS =
      Key.whole("requests", 1000L, ENOUGH, 10_000_000, "requests a run");
  private static final Key<Double> RATE =
      Key.number(
          "rate",
          0.0,
          0,
          1e5,
          "requests a second; 0 finds each policy's capacity and compares at nine tenths of the best");
  private static final Key<Double> TARGET =
      Key.number(
          "target",
          0.95,
          0.01,
          1,
          "share of requests within the limits that makes a rate bearable");
  private static final Key<Boolean> COURSE =
      Key.flag(
          "course",
          false,
          "whether to tell how goodput comes about from the start on, and from a slow-down");
  private static final Key<String> ROUTERS =
      Key.text(
          "routers",
          "1",
          "how many routers stand before the fleet, with commas between; with more than one, what the growing number costs is told at --rate");
  private static final Key<String> SHARING =
      Key.text(
          "sharing",
          "siblings",
          "what routers know of each other, with commas between: "
              + String.join(", ", Sharing.labels()));
  private static final Key<String> MODEL =
      Key.text("model", null, "whose requests are meant, where a decision log has several models");
  private static final Key<String> JSON = Key.text("json", null, "file for all figures");

  public static final Program PROGRAM =
      new Program(
          "evaluate",
          "Compare routing policies on recorded or made traffic, on a virtual clock.",
          List.of(
              TRACE, FLEET, POLICIES, SEEDS, FROM_SEED, REQUESTS, RATE, TARGET, COURSE, ROUTERS,
              SHARING, MODEL, JSON),
          Map.of(),
          "",
          false,
          args -> run(args, System.out, System.err));

  private EvaluateProgram() {}

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    Config c = args.config();
    JsonFile.check(c.find(JSON));
    List<String> arms = words(c.get(POLICIES));
    Traffic traffic;
    List<Integer> routers;
    List<Sharing> sharing;
    try {
      if (arms.isEmpty()) {
        throw new IllegalArgumentException(
            "policies: none (expected: some of " + String.join(", ", Arms.names()) + ")");
      }
      for (String a : arms) {
        if (!a.equals(Arms.BEST_CUT)) {
          Arms.of(a);
        }
      }
      routers = Growth.numbers(words(c.get(ROUTERS)));
      sharing = words(c.get(SHARING)).stream().map(Sharing::parse).toList();
      if (!routers.equals(List.of(1)) && !(c.get(RATE) > 0)) {
        throw new IllegalArgumentException("rate: 0 (expected: above 0 where --routers is not 1)");
      }
      if (!routers.equals(List.of(1)) && arms.contains(Arms.BEST_CUT)) {
        throw new IllegalArgumentException(
            "policies: "
                + Arms.BEST_CUT
                + " is looked for before one router (expected: others beside --routers)");
      }
      if (c.get(RATE) > 0 && c.get(RATE) < Study.LEAST_RATE) {
        throw new IllegalArgumentException(
            "rate: " + c.get(RATE) + " (expected: 0, or " + Study.LEAST_RATE + "..1.0E5)");
      }
      traffic = traffic(c.get(TRACE), Math.toIntExact(c.get(REQUESTS)), c.find(MODEL).orElse(null));
    } catch (IllegalArgumentException e) {
      throw new ConfigException("--" + e.getMessage());
    }
    FleetPlan plan = FleetPlan.of(c.get(FLEET));
    Study study = new Study(traffic, plan, c.get(TARGET), c.get(FROM_SEED));
    ThreadMXBean thread = ManagementFactory.getThreadMXBean();
    long began = thread.getCurrentThreadCpuTime();
    int seeds = Math.toIntExact(c.get(SEEDS));
    if (!routers.equals(List.of(1))) {
      Growth g = new Growth(traffic, plan, c.get(RATE), seeds, c.get(FROM_SEED));
      List<Growth.Row> rows = g.run(arms, routers, sharing);
      out.print(GrowthReport.table(g, rows));
      told(out, g.runs(), g.simulated(), thread.getCurrentThreadCpuTime() - began);
      return written(c, GrowthReport.json(g, rows), err);
    }
    List<Study.Result> results = study.run(arms, seeds, c.get(RATE));
    List<String> named = arms.stream().filter(a -> !a.equals(Arms.BEST_CUT)).toList();
    List<Course> courses =
        c.get(COURSE) ? study.courses(named, seeds, study.commonRate()) : List.of();
    long took = thread.getCurrentThreadCpuTime() - began;
    Report report =
        new Report(
            traffic.name(), plan, c.get(TARGET), study.commonRate(), results, courses, Map.of());
    out.print(report.table());
    long each = study.simulated() / Math.max(1, study.runs());
    if (each < ENOUGH) {
      out.printf(
          "%d requests a run are too few to tell a capacity or a goodput by (expected: a trace of %d or more)%n",
          each, ENOUGH);
    }
    told(out, study.runs(), study.simulated(), took);
    return written(c, report.json(), err);
  }

  private static List<String> words(String list) {
    return Arrays.stream(list.split(","))
        .map(String::strip)
        .filter(s -> !s.isEmpty())
        .distinct()
        .toList();
  }

  private static void told(PrintStream out, long runs, long simulated, long cpuNanos) {
    out.printf(
        "%d runs of %d requests, %.0f requests a second of one core's time%n",
        runs, simulated / Math.max(1, runs), simulated / (Math.max(1, cpuNanos) / 1e9));
  }

  private static int written(Config c, String text, PrintStream err) {
    Optional<String> json = c.find(JSON);
    if (json.isPresent()) {
      try {
        Files.writeString(Path.of(json.get()), text);
      } catch (IOException e) {
        err.println("--json: " + json.get() + " cannot be written (expected: a file)");
        return 1;
      }
    }
    return 0;
  }

  private static Traffic traffic(String word, int requests, @Nullable String model)
      throws ConfigException {
    Path file = Path.of(word);
    return Mix.isOne(word) || !Files.exists(file)
        ? Mix.parse(word).of(requests)
        : TraceFile.read(file, requests, model);
  }
}
