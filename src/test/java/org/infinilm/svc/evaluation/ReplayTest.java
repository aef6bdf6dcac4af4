package org.infinilm.svc.evaluation;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A router's decision log, run again.
class ReplayTest {
  @TempDir Path folder;

  private static String line(
      double seconds, Request r, Outcome o, Node node, double stretch, String outcome) {
    int k = r.id();
    boolean serial = node.engine().kind() == org.infinilm.svc.simulator.LeapSettings.Kind.STATIC;
    return String.format(
        Locale.ROOT,
        "{\"v\":1,\"time_ms\":%d,\"model\":\"m\",\"body_bytes\":%d,\"size\":%d,\"threshold\":51200,\"prompt_tokens\":%d,"
            + "\"output_tokens\":%d,\"cached_tokens\":0,\"max_tokens\":%d,\"key\":\"%s\",\"text\":\"prose\",\"events\":%d,"
            + "\"instance\":\"%s\",\"cache_type\":\"%s\",\"outcome\":\"%s\",\"first_s\":%.6f,\"answer_s\":%.6f}",
        (long) (1.7e12 + 1000 * seconds),
        r.bodyBytes(),
        r.bodyBytes(),
        r.job().promptTokens(),
        o.tokens[k],
        r.maxTokens(),
        r.key() == 0 ? "" : Long.toHexString(r.key()),
        o.tokens[k] + 3,
        node.name(),
        serial ? "static" : "paged",
        outcome,
        stretch * o.ttft(k) / 1e9,
        stretch * o.whole(k) / 1e9);
  }

  /// What a fleet of instances, so many times as slow as the profile says, would have logged.
  private Path recorded(double slow) throws ConfigException, IOException {
    FleetPlan plan = FleetPlan.of("1+1");
    plan = plan.with(plan.nodes().stream().map(n -> n.slow(slow, 0, 1)).toList());
    return recorded(plan, "least-loaded", 0.3);
  }

  private Path recorded(FleetPlan plan, String policy, double rate) throws IOException {
    Workload w = Mix.CHAT.of(400).at(1, rate);
    Outcome o = new FleetRun(plan, w, Arms.of(policy), 1).run();
    List<String> lines = new ArrayList<>();
    for (Request r : w.requests()) {
      Node at = plan.nodes().get(o.node[r.id()]);
      lines.add(line(r.atNanos() / 1e9, r, o, at, 1, "ok"));
    }
    Path file = folder.resolve("decisions.jsonl");
    Files.write(file, lines);
    return file;
  }

  private static String replay(Path file, String... settings) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Map<String, String> flags = new java.util.HashMap<>();
    for (String s : settings) {
      flags.put(s.substring(0, s.indexOf('=')), s.substring(s.indexOf('=') + 1));
    }
    Config c = Config.resolve(ReplayProgram.PROGRAM.keys(), flags, Map.of(), null);
    Program.Args args = new Program.Args(c, flags, List.of(file.toString()), Map.of());
    PrintStream to = new PrintStream(out, true, UTF_8);
    assertThat(ReplayProgram.run(args, to, to)).isZero();
    return out.toString(UTF_8);
  }

  @Test
  void theSpeedOfTheRecordedFleetIsFound() throws Exception {
    DecisionTrace trace = DecisionTrace.read(recorded(2.5), null);
    Fitting fit = new Fitting(trace, FleetPlan.of("1+1"), true);
    for (Node n : fit.plan().nodes()) {
      assertThat(n.slowFactor()).isBetween(2.2, 2.8);
    }
    assertThat(fit.report()).contains("time to first token").contains("400 requests");
    Fitting unfitted = new Fitting(trace, FleetPlan.of("1+1"), false);
    assertThat(unfitted.plan().nodes()).allMatch(n -> n.slowFactor() == 1);
  }

  /// A slower one also queues longer, and near its limit without bounds.
  @ParameterizedTest
  @ValueSource(doubles = {0.2, 1, 4, 6, 8, 15})
  void theSpeedIsFoundOfInstancesNearTheirLimitAndBeyondIt(double factor) throws Exception {
    DecisionTrace trace = DecisionTrace.read(recorded(factor), null);
    for (Node n : new Fitting(trace, FleetPlan.of("1+1"), true).plan().nodes()) {
      assertThat(n.slowFactor()).isCloseTo(factor, withinPercentage(10));
    }
  }

  /// The same hundred answers of one place, one after the other, and in bursts that the router
  /// held.
  @Test
  void aWaitInLineMakesNoInstanceFaster() throws Exception {
    double[] factors = new double[2];
    for (int held = 0; held < 2; held++) {
      List<String> lines = new ArrayList<>();
      for (int k = 0; k < 100; k++) {
        int before = held * (k % 5);
        int second = held == 0 ? 10 * k : 10 * (k - k % 5);
        lines.add(
            String.format(
                Locale.ROOT,
                "{\"v\":1,\"time_ms\":%.0f,\"model\":\"m\",\"body_bytes\":80000,\"prompt_tokens\":20000,"
                    + "\"prompt_estimate\":20000,\"output_tokens\":60,\"cached_tokens\":0,\"max_tokens\":60,"
                    + "\"key\":\"\",\"text\":\"prose\",\"events\":63,\"instance\":\"static-1\","
                    + "\"cache_type\":\"static\",\"outcome\":\"ok\",\"queue_s\":%.1f,\"first_s\":0.6,\"answer_s\":1.5}",
                1.79e12 + 1000.0 * second,
                1.5 * before));
      }
      Path file = Files.write(folder.resolve("held" + held), lines);
      FleetPlan one = FleetPlan.of("0+1");
      factors[held] =
          new Fitting(DecisionTrace.read(file, null), one, true)
              .plan()
              .nodes()
              .getFirst()
              .slowFactor();
    }
    assertThat(factors[1]).isCloseTo(factors[0], within(0.1 * factors[0]));
  }

  @Test
  void whatWouldHaveBeenIsSaidBehindTheFit() throws Exception {
    Path file = recorded(1);
    String said = replay(file, "fleet=1+1", "policy=cache-type,adaptive", "threshold=8000");
    assertThat(said.indexOf("fit of the cost model"))
        .isPositive()
        .isLessThan(said.indexOf("| cache-type |"));
    assertThat(said).contains("| adaptive |").contains("load with adaptive:");
    String more = replay(file, "fleet=1+2", "policy=cache-type");
    assertThat(more).contains("static-2");
  }

  /// The rule that the log was recorded under, in whichever unit, is the one that others are held
  /// against.
  @Test
  void theThresholdIsTheRecordedOne() throws Exception {
    Path file = recorded(1);
    String text = Files.readString(file);
    assertThat(replay(file, "policy=cache-type")).contains("size rule: 51200 bytes, as recorded");
    Files.writeString(file, text.replace("\"threshold\":51200", "\"threshold\":2000"));
    String lower = replay(file, "policy=cache-type");
    assertThat(lower).contains("size rule: 2000 bytes, as recorded");
    assertThat(replay(file, "policy=cache-type", "threshold=8000"))
        .contains("size rule: 8000 bytes, as asked for");
    assertThat(replay(file, "policy=cache-type", "threshold=2000").lines().skip(2).toList())
        .containsExactlyElementsOf(lower.lines().skip(2).toList());
    Path fleet = folder.resolve("own.fleet");
    Files.writeString(fleet, "paged-1 paged\nstatic-1 static\nlimits threshold=9000\n");
    assertThat(replay(file, "fleet=" + fleet, "policy=cache-type"))
        .contains("size rule: 9000 bytes, as the fleet says");
    Files.writeString(
        file, text.replace("\"threshold\":51200", "\"threshold\":9223372036854775807"));
    assertThat(replay(file, "policy=cache-type")).contains("size rule: 10", "as recorded");
    Files.writeString(file, text.replace("\"threshold\":51200", "\"threshold\":0"));
    assertThat(replay(file, "policy=cache-type")).contains("size rule: 0 bytes, as recorded");
    Files.writeString(file, text.replace("\"threshold\":51200", "\"threshold\":null"));
    assertThat(replay(file, "policy=cache-type")).contains("size rule: 51200 bytes, the usual one");
    Files.writeString(file, text.replace("\"threshold\":51200", "\"threshold\":2000"));
    Files.writeString(fleet, "paged-1 paged\nstatic-1 static\nlimits threshold=51200\n");
    assertThat(replay(file, "fleet=" + fleet, "policy=cache-type"))
        .contains("size rule: 51200 bytes, as the fleet says");
    // tokens in place of bytes: a fourth of them
    StringBuilder tokens = new StringBuilder();
    for (String line : text.lines().toList()) {
      long body = Long.parseLong(line.replaceAll(".*\"body_bytes\":([0-9]+).*", "$1"));
      tokens
          .append(
              line.replace("\"size\":" + body, "\"size\":" + body / 4.0)
                  .replace("\"threshold\":51200", "\"threshold\":500"))
          .append("\n");
    }
    Files.writeString(file, tokens);
    assertThat(replay(file, "policy=cache-type")).contains("size rule: 2000 bytes, as recorded");
  }

  @Test
  void anInstanceThatNothingIsKnownOfIsAsFastAsTheOthersOfItsKind() throws Exception {
    DecisionTrace trace = DecisionTrace.read(recorded(0.25), null);
    Fitting fit = new Fitting(trace, FleetPlan.of("1+2"), true);
    assertThat(fit.plan().nodes())
        .hasSize(3)
        .allSatisfy(n -> assertThat(n.slowFactor()).as(n.name()).isBetween(0.22, 0.28));
    assertThat(fit.report())
        .containsPattern(
            "static-2: 0\\.2\\d times the profile's step times \\(too little recorded");
    assertThat(new Fitting(trace, FleetPlan.of("1+2"), false).report())
        .contains("static-2: 1.00 times the profile's step times\n");
  }

  /// What was recorded with two of them is no double load of the one that is asked about.
  @Test
  void theSpeedsAreThoseOfTheFleetThatWasWhateverTheWantedOneIs() throws Exception {
    FleetPlan was =
        FleetPlan.parse("was", "paged-1 paged slow=3@0..1\npaged-2 paged slow=1.5@0..1\n");
    DecisionTrace trace = DecisionTrace.read(recorded(was, "least-loaded", 1.5), null);
    Fitting one = new Fitting(trace, FleetPlan.of("1+0"), true);
    assertThat(one.plan().nodes()).hasSize(1);
    assertThat(one.plan().nodes().getFirst().slowFactor()).isCloseTo(3, withinPercentage(10));
    assertThat(one.report())
        .containsPattern("recorded, and not in the fleet: paged-2 \\(1\\.[456]\\d times\\)\n");
    Fitting more = new Fitting(trace, FleetPlan.of("3+1"), true);
    assertThat(more.plan().nodes().get(0).slowFactor()).isCloseTo(3, withinPercentage(10));
    assertThat(more.plan().nodes().get(1).slowFactor()).isCloseTo(1.5, withinPercentage(10));
    assertThat(more.report())
        .containsPattern("paged-3: .*too little recorded")
        .containsPattern("static-1: .*too little recorded")
        .doesNotContain("not in the fleet");
  }

  @Test
  void instancesOfOtherNamesAreNamedAndTheirSpeedIsThatOfTheirKind() throws Exception {
    FleetPlan was =
        FleetPlan.parse(
            "was",
            "a paged slow=3@0..1 batch=2\nb paged slow=3@0..1 batch=2\nc static slow=1.5@0..1\n");
    DecisionTrace trace = DecisionTrace.read(recorded(was, "least-loaded", 0.6), null);
    FleetPlan wanted =
        FleetPlan.parse("wanted", "a paged batch=2\nx paged\nstatic-1 static\nstatic-2 static\n");
    Fitting fit = new Fitting(trace, wanted, true);
    assertThat(fit.plan().nodes())
        .extracting(Node::name)
        .containsExactly("a", "static-1", "static-2", "x");
    assertThat(fit.plan().nodes().get(0).slowFactor()).isCloseTo(3, withinPercentage(10));
    assertThat(fit.plan().nodes().get(1).slowFactor()).isCloseTo(1.5, withinPercentage(15));
    assertThat(fit.plan().nodes().get(2).slowFactor()).isCloseTo(1.5, withinPercentage(15));
    assertThat(fit.plan().nodes().get(3).slowFactor()).isCloseTo(3, withinPercentage(10));
    assertThat(fit.plan().nodes().get(3).engine().batch()).isEqualTo(8);
    assertThat(fit.report())
        .containsPattern("not in the fleet: b \\(.* times\\), c \\(.* times\\)\n");
    assertThat(new Fitting(trace, wanted, false).report())
        .contains("x: 1.00 times the profile's step times\n")
        .contains("recorded, and not in the fleet: b, c\n");
  }

  /// Half of the answers came whole and without a usage: they are load, and nothing is told of
  /// them.
  @Test
  void answersOfUnknownLengthStayInTheLoad() throws Exception {
    FleetPlan was = FleetPlan.parse("was", "paged-1 paged slow=2@0..1\n");
    Path file = recorded(was, "least-loaded", 1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    double rate = DecisionTrace.read(file, null).rate();
    for (int k = 1; k < lines.size(); k += 2) {
      lines.set(
          k,
          lines
              .get(k)
              .replaceAll("\"output_tokens\":\\d+", "\"output_tokens\":0")
              .replaceAll("\"events\":\\d+", "\"events\":0"));
    }
    Files.write(file, lines);
    DecisionTrace trace = DecisionTrace.read(file, null);
    assertThat(trace.size()).isEqualTo(400);
    assertThat(trace.rate()).isCloseTo(rate, within(1e-9));
    assertThat(trace.guessed()).isEqualTo(200);
    assertThat(trace.left()).isZero();
    Fitting fit = new Fitting(trace, FleetPlan.of("1+0"), true);
    assertThat(fit.whole().requests()).isEqualTo(200);
    assertThat(fit.plan().nodes().getFirst().slowFactor()).isCloseTo(2, withinPercentage(15));
    assertThat(replay(file, "fleet=1+0", "policy=least-loaded"))
        .contains("200 of them load alone: whole answers without token counts");
  }

  @Test
  void ofSeveralModelsOneIsMeantAndTheOthersAreNotMixedIn() throws Exception {
    Path file = recorded(1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    for (int k = 0; k < lines.size(); k++) {
      String model = k % 4 == 0 ? "small" : "big";
      lines.set(k, lines.get(k).replace("\"model\":\"m\"", "\"model\":\"" + model + "\""));
    }
    Files.write(file, lines);
    assertThatThrownBy(() -> DecisionTrace.read(file, null))
        .isInstanceOf(ConfigException.class)
        .hasMessage(file + ": 2 models (expected: --model, one of big (300), small (100))");
    assertThatThrownBy(() -> DecisionTrace.read(file, "none"))
        .hasMessage("--model: none (expected: one of big (300), small (100))");
    DecisionTrace t = DecisionTrace.read(file, "small");
    assertThat(t.size()).isEqualTo(100);
    assertThat(t.others()).isEqualTo(300);
    assertThat(replay(file, "fleet=1+1", "policy=cache-type", "model=big"))
        .startsWith("300 requests")
        .contains("100 of other models left out");
  }

  @Test
  void brokenLinesAreNamedByNumberAndLeftOut() throws Exception {
    Path file = recorded(1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    lines.set(4, lines.get(4).substring(0, 50));
    lines.set(7, lines.get(7).replace("\"v\":1", "\"v\":7"));
    lines.set(9, lines.get(9).replaceAll("\"output_tokens\":\\d+", "\"output_tokens\":-4"));
    lines.set(11, lines.get(11).replace("\"ok\"", "\"instance_failed\""));
    Files.write(file, lines);
    DecisionTrace t = DecisionTrace.read(file, null);
    assertThat(t.size()).isEqualTo(396);
    assertThat(t.left()).isEqualTo(1);
    assertThat(t.problems()).hasSize(3);
    assertThat(t.problems().get(0)).contains(":5: no JSON");
    assertThat(t.problems().get(1)).contains(":8: v: 7 (expected: 1)");
    assertThat(t.problems().get(2)).contains(":10: output_tokens: -4");
  }

  @Test
  void ofManyBrokenLinesAllNumbersAreSaid() throws Exception {
    Path file = recorded(1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    for (int k : List.of(4, 7, 9, 20, 21, 22, 30)) {
      lines.set(k, "{");
    }
    Files.write(file, lines);
    assertThat(DecisionTrace.read(file, null).problems())
        .hasSize(4)
        .last()
        .asString()
        .endsWith(": 4 more lines were broken: 21-23, 31");
  }

  @Test
  void aLineWithoutAnEndIsNotHeld() throws Exception {
    Path file = recorded(1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    lines.set(4, "x".repeat(LineReader.MOST + 1));
    Files.write(file, lines);
    DecisionTrace t = DecisionTrace.read(file, null);
    assertThat(t.size()).isEqualTo(399);
    assertThat(t.problems()).singleElement().asString().contains(":5: more than 4194304 bytes");
  }

  @Test
  void aByteThatIsNoTextCostsItsLineAlone() throws Exception {
    Path file = recorded(1);
    byte[] all = Files.readAllBytes(file);
    int at = new String(all, UTF_8).indexOf("\"model\":\"m\"") + 9;
    all[at] = (byte) 0xe4; // the first of three of a character
    Files.write(file, all);
    DecisionTrace t = DecisionTrace.read(file, null);
    assertThat(t.size()).isEqualTo(399);
    assertThat(t.problems())
        .singleElement()
        .asString()
        .endsWith(":1: no UTF-8 (expected: a decision's line)");
    assertThatThrownBy(() -> TraceFile.read(file, 10))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(":1: no UTF-8");
  }

  @Test
  void timesThatCannotBeAreNamedAndLeftOut() throws Exception {
    Path file = recorded(1);
    double rate = DecisionTrace.read(file, null).rate();
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    lines.set(4, lines.get(4).replaceAll("\"first_s\":[0-9.]+", "\"first_s\":1000"));
    lines.set(6, lines.get(6).replaceAll("\"answer_s\":[0-9.]+", "\"answer_s\":1e7"));
    lines.set(9, lines.get(9).replaceAll("\"time_ms\":\\d+", "\"time_ms\":0"));
    lines.set(20, lines.get(20).replaceAll("\"time_ms\":\\d+", "\"time_ms\":4102444800000"));
    Files.write(file, lines);
    DecisionTrace t = DecisionTrace.read(file, null);
    assertThat(t.size()).isEqualTo(396);
    assertThat(t.rate()).isCloseTo(rate, within(0.05 * rate));
    assertThat(t.problems()).hasSize(4);
    assertThat(t.problems().get(0)).contains(":5: first_s: 1000.0 (expected: at most answer_s, ");
    assertThat(t.problems().get(1)).contains(":7: answer_s: ").contains("0..86400");
    assertThat(t.problems().get(2)).contains(":10: time_ms: 0 (expected: within 366 days");
    assertThat(t.problems().get(3)).contains(":21: time_ms: 4102444800000 (expected: ");
  }

  @Test
  void aLogThatIsMostlyAPauseSaysSo() throws Exception {
    Path file = recorded(1);
    assertThat(replay(file, "fleet=1+1", "policy=cache-type")).doesNotContain("rate says little");
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    lines.set(0, lines.get(0).replaceAll("\"time_ms\":\\d+", "\"time_ms\":1699000000000"));
    Files.write(file, lines);
    assertThat(replay(file, "fleet=1+1", "policy=cache-type"))
        .containsPattern("none of them for 2\\d\\d\\.\\d of 2\\d\\d\\.\\d hours");
  }

  /// Of a few answers one that took a thousand times as long, or no time.
  @Test
  void oneOddAnswerOfFewMovesNoSpeed() throws Exception {
    Path file = recorded(1);
    List<String> few = Files.readAllLines(file).subList(0, 40);
    Files.write(file, few);
    Fitting usual = new Fitting(DecisionTrace.read(file, null), FleetPlan.of("1+1"), true);
    for (String odd : List.of("5000", "0.0001")) {
      for (int at = 0; at < 40; at += 3) {
        List<String> lines = new ArrayList<>(few);
        lines.set(
            at,
            lines
                .get(at)
                .replaceAll("\"first_s\":[0-9.]+", "\"first_s\":0.0001")
                .replaceAll("\"answer_s\":[0-9.]+", "\"answer_s\":" + odd));
        Files.write(file, lines);
        Fitting fit = new Fitting(DecisionTrace.read(file, null), FleetPlan.of("1+1"), true);
        for (int n = 0; n < 2; n++) {
          double is = usual.plan().nodes().get(n).slowFactor();
          assertThat(fit.plan().nodes().get(n).slowFactor())
              .as("%s in line %s", odd, at + 1)
              .isCloseTo(is, within(0.1 * is));
        }
      }
    }
  }

  @Test
  void whatFollowsADecisionInItsLineIsNotLostWithoutAWord() throws Exception {
    Path file = recorded(1);
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    lines.set(4, lines.get(4) + lines.remove(5));
    lines.set(8, lines.get(8) + " garbage");
    Files.write(file, lines);
    DecisionTrace t = DecisionTrace.read(file, null);
    assertThat(t.size()).isEqualTo(397);
    assertThat(t.problems()).hasSize(2);
    assertThat(t.problems().get(0)).endsWith(":5: no JSON (expected: one object)");
    assertThat(t.problems().get(1)).endsWith(":9: no JSON (expected: one object)");
  }

  @Test
  void noLineHoweverDamagedEndsTheReading() throws Exception {
    List<String> good = Files.readAllLines(recorded(1)).subList(0, 20);
    for (long seed = 1; seed <= 300; seed++) {
      Random random = new Random(seed);
      List<String> lines = new ArrayList<>(good);
      for (int k = 0; k < 5; k++) {
        int at = random.nextInt(lines.size() - 2) + 2;
        StringBuilder b = new StringBuilder(lines.get(at));
        for (int n = 1 + random.nextInt(4); n > 0 && !b.isEmpty(); n--) {
          int where = random.nextInt(b.length());
          switch (random.nextInt(3)) {
            case 0 -> b.deleteCharAt(where);
            case 1 -> b.insert(where, (char) (32 + random.nextInt(95)));
            default -> b.setCharAt(where, "{}[]\",:-e9".charAt(random.nextInt(10)));
          }
        }
        lines.set(at, b.toString());
      }
      Path file = folder.resolve("damaged");
      Files.write(file, lines);
      DecisionTrace t = DecisionTrace.read(file, "m");
      assertThat(t.size()).isBetween(14, 20);
      for (Request r : t.at(1, 2).requests()) {
        assertThat(r.job().promptTokens()).isPositive();
      }
    }
  }

  /// The router's own log is traffic of `infini evaluate` too.
  @Test
  void whatARouterWasAskedIsATraceToo() throws Exception {
    Path file = recorded(1);
    DecisionTrace log = DecisionTrace.read(file, null);
    Workload w = TraceFile.read(file, 400).at(1, log.rate());
    assertThat(w.requests()).hasSize(400);
    assertThat(w.requests().stream().mapToLong(r -> r.job().promptTokens()).sum())
        .isEqualTo(log.at(1, 1).requests().stream().mapToLong(r -> r.job().promptTokens()).sum());
  }

  @Test
  void aFileThatIsNoLogIsNamed() throws Exception {
    Path file = folder.resolve("empty");
    Files.writeString(file, "");
    assertThatThrownBy(() -> DecisionTrace.read(file, null))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("expected: 2 or more");
    assertThatThrownBy(() -> DecisionTrace.read(folder.resolve("none"), null))
        .hasMessageContaining("cannot be read");
  }
}
