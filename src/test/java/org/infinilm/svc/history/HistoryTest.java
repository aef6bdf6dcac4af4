package org.infinilm.svc.history;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.infinilm.svc.history.Entry.End;
import org.infinilm.svc.history.Entry.Tokens;
import org.infinilm.svc.history.UsageRow.By;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is written to the file, step by step, and what becomes of bad files.
class HistoryTest {
  @TempDir Path folder;

  private Kept kept() {
    return new Kept(folder.resolve("h.db"));
  }

  private static List<String> groups(List<UsageRow> rows, By... by) {
    List<String> out = new ArrayList<>();
    for (UsageRow r : rows) {
      StringBuilder s = new StringBuilder();
      for (By b : by) {
        s.append(r.group(b)).append(' ');
      }
      out.add(s + "" + r.requests() + " " + r.errors() + " " + r.promptTokens());
    }
    return out;
  }

  @Test
  void usageIsTheSumOfWhatWasOfferedHoweverItWasCutIntoSteps() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    SplittableRandom random = new SplittableRandom(7);
    Map<String, long[]> expected = new TreeMap<>();
    for (int n = 0; n < 5000; n++) {
      String key = "k" + random.nextInt(3);
      String model = "m" + random.nextInt(4);
      Tokens t =
          random.nextInt(5) == 0
              ? null
              : new Tokens(random.nextInt(900), random.nextInt(90), random.nextInt(300));
      End end = random.nextInt(9) == 0 ? End.ERROR : End.WELL;
      h.offer(k.entry("r" + n, key, model, "paged", end, 20, t));
      long[] sum = expected.computeIfAbsent(key + " " + model, x -> new long[5]);
      sum[0]++;
      sum[1] += end == End.ERROR ? 1 : 0;
      sum[2] += t == null ? 0 : t.prompt();
      sum[3] += t == null ? 0 : t.cached();
      sum[4] += t == null ? 0 : t.completion();
      if (random.nextInt(40) == 0) {
        k.pass(Duration.ofMillis(random.nextInt(2000)));
        h.step(false);
      }
    }
    h.finish();
    Map<String, long[]> found = new TreeMap<>();
    for (UsageRow r : k.reader().usage(EnumSet.of(By.KEY, By.MODEL), 0)) {
      found.put(
          r.key() + " " + r.model(),
          new long[] {
            r.requests(), r.errors(), r.promptTokens(), r.cachedTokens(), r.completionTokens()
          });
    }
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach((g, sum) -> assertThat(found.get(g)).as(g).isEqualTo(sum));
  }

  @Test
  void usageGroupsByDayAndBeginsWhereItIsAsked() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    h.offer(k.entry("a", "alice", "m", new Tokens(10, 4, 2)));
    h.offer(k.entry("b", "", "m", null));
    k.pass(Duration.ofDays(1));
    h.offer(k.entry("c", "alice", "m", new Tokens(5, 0, 1)));
    h.finish();
    Set<By> all = EnumSet.allOf(By.class);
    assertThat(groups(k.reader().usage(all, 0), By.DAY, By.KEY, By.MODEL))
        .containsExactly(
            "2026-11-28  m 1 0 null", "2026-11-28 alice m 1 0 10", "2026-11-29 alice m 1 0 5");
    long day = Kept.START.getEpochSecond() / 86400;
    assertThat(groups(k.reader().usage(Set.of(By.KEY), day + 1), By.KEY))
        .containsExactly("alice 1 0 5");
  }

  @Test
  void eachThreadSumsForItselfAndNothingIsLostOfIt() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history(new HistorySettings(k.file, 30, 400, 256L << 20, 10));
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      String name = "t" + t;
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                for (int n = 0; n < 20_000; n++) {
                  h.offer(k.entry(name + "-" + n, name, "m", new Tokens(3, 1, 2)));
                }
              }));
    }
    while (threads.stream().anyMatch(Thread::isAlive)) {
      h.step(true);
    }
    h.finish();
    assertThat(groups(k.reader().usage(Set.of(By.KEY), 0), By.KEY))
        .containsExactly(
            "t0 20000 0 60000", "t1 20000 0 60000", "t2 20000 0 60000", "t3 20000 0 60000");
    assertThat(h.counts()).isEqualTo(new History.Counts(80_000, 10, 79_990, 0));
  }

  @Test
  void whatWasTakenIsNotAddedToAnyMore() {
    Kept k = kept();
    Gathered<Entry> g = new Gathered<>(new Kept.AsTheyAre(), new Sample(10), 10);
    assertThat(g.take()).isNull();
    g.add(k.entry("a", "", "m", null));
    Gathered.Taken<Entry> first = Objects.requireNonNull(g.take());
    g.add(k.entry("b", "", "m", null));
    assertThat(first.counted()).isOne();
    assertThat(first.rows()).hasSize(1);
    assertThat(requests(first.tally())).isOne();
    assertThat(requests(Objects.requireNonNull(g.take()).tally())).isOne();
    assertThat(g.take()).isNull();
  }

  private static long requests(Tally t) {
    return t.days().values().stream()
        .flatMap(d -> d.values().stream())
        .mapToLong(s -> s.requests)
        .sum();
  }

  @Test
  void aboveTheRateDecisionsAreCountedAloneAndFailuresHaveARateOfTheirOwn() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history(new HistorySettings(k.file, 30, 400, 256L << 20, 3));
    for (int n = 0; n < 10; n++) {
      h.offer(k.entry("r" + n, "", "m", null));
      h.offer(k.entry("f" + n, "", "m", "paged", End.ERROR, 0, null));
    }
    k.flush(h);
    assertThat(h.counts()).isEqualTo(new History.Counts(20, 6, 14, 0));
    assertThat(k.reader().decisions("f2", 9)).hasSize(1);
    assertThat(k.reader().decisions("f3", 9)).isEmpty();
    h.offer(k.entry("next second", "", "m", null));
    h.finish();
    assertThat(k.reader().decisions("next second", 9)).hasSize(1);
    assertThat(k.reader().usage(Set.of(By.MODEL), 0).getFirst().requests()).isEqualTo(21);
  }

  @Test
  void aRestartKeepsWhatWasThereAndGoesOn() throws Exception {
    Kept k = kept();
    History<Entry> one = k.history();
    one.offer(k.entry("old", "", "m", new Tokens(1, 0, 1)));
    one.finish();
    History<Entry> two = k.history();
    two.offer(k.entry("new", "", "m", new Tokens(2, 0, 2)));
    k.flush(two);
    assertThat(two.trouble()).isEmpty();
    assertThat(new String(k.reader().decisions("old", 9).getFirst(), UTF_8)).contains("old");
    assertThat(k.reader().usage(Set.of(By.MODEL), 0).getFirst().promptTokens()).isEqualTo(3);
    two.finish();
  }

  private static long minute(Kept k) {
    return k.now().getEpochSecond() / 60;
  }

  @Test
  void minutesSayWhatIsKnownAndNothingOfTheTimeInWhichNoRouterRan() throws Exception {
    Kept k = kept();
    History<Entry> one = k.history();
    long first = minute(k);
    for (int n = 1; n <= 100; n++) {
      one.offer(k.entry("r", "", "m", "paged", End.WELL, n, new Tokens(60, 30, 6)));
    }
    one.offer(k.entry("e", "", "m", "static", End.ERROR, 0, null));
    k.pass(Duration.ofSeconds(50));
    one.finish();
    k.pass(Duration.ofSeconds(190));
    History<Entry> two = k.history();
    k.pass(Duration.ofSeconds(60));
    two.finish();
    Map<String, Object> m = k.reader().course(first, 6, 1).json();
    assertThat(m.get("pools"))
        .asString()
        .contains("requests_per_second=[2.0, null, null, null, 0.0, null]")
        .contains("completion_tokens_per_second=[12.0, null, null, null, 0.0, null]")
        .contains("errors_per_second=[0.02, null, null, null, 0.0, null]")
        .contains("completion_tokens_per_second=[null, null, null, null, 0.0, null]");
    assertThat(m.get("reasons")).asString().isEqualTo("{size=[101, null, null, null, 0, null]}");
    Object paged = ((Map<?, ?>) m.get("pools")).get("paged");
    List<?> p50 = (List<?>) ((Map<?, ?>) paged).get("ttft_p50_seconds");
    List<?> p95 = (List<?>) ((Map<?, ?>) paged).get("ttft_p95_seconds");
    assertThat((double) p50.getFirst()).isBetween(0.0495, 0.0505);
    assertThat((double) p95.getFirst()).isBetween(0.094, 0.096);
    assertThat(p50.get(4)).as("nothing came").isNull();
    // longer steps put percentiles together
    assertThat(k.reader().course(first, 1, 6).json().get("pools"))
        .asString()
        .contains("ttft_p50_seconds=[" + p50.getFirst() + "]");
  }

  @Test
  void aMinuteThatIsWrittenInPartsHasThePercentilesOfAll() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    for (int n = 1; n <= 10; n++) {
      h.offer(k.entry("r", "", "m", "paged", End.WELL, n * 10L, null));
      k.flush(h);
    }
    h.finish();
    Map<String, Object> m = k.reader().course(Kept.START.getEpochSecond() / 60, 1, 1).json();
    List<?> p50 =
        (List<?>) ((Map<?, ?>) ((Map<?, ?>) m.get("pools")).get("paged")).get("ttft_p50_seconds");
    assertThat((double) p50.getFirst()).isBetween(0.0495, 0.0505);
  }

  @Test
  void theFileIsItsOwnersAlone() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    h.offer(k.entry("r", "", "m", null));
    k.flush(h);
    try (var files = Files.list(folder)) {
      assertThat(files)
          .isNotEmpty()
          .allSatisfy(f ->
              assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(f)))
                  .as(f.toString())
                  .isEqualTo("rw-------"));
    }
    h.finish();
  }

  @Test
  void anotherRouterOnTheSameFileIsToldAndTakesItOverOnceItIsFree() throws Exception {
    Kept k = kept();
    History<Entry> one = k.history();
    k.flush(one);
    History<Entry> two = k.history();
    two.offer(k.entry("second", "", "m", null));
    k.flush(two);
    assertThat(one.trouble()).isEmpty();
    assertThat(two.trouble())
        .isEqualTo("another router writes it (expected: a file for each router)");
    one.finish();
    k.pass(Duration.ofSeconds(10));
    k.flush(two);
    assertThat(two.trouble()).isEmpty();
    assertThat(k.reader().decisions("second", 9)).as("what it had meanwhile").hasSize(1);
    two.finish();
  }

  private List<String> aside() throws IOException {
    try (var files = Files.list(folder)) {
      return files
          .map(f -> f.getFileName().toString())
          .filter(n -> n.contains(".corrupt-"))
          .sorted()
          .toList();
    }
  }

  @Test
  void aFileThatIsNoDatabaseIsSetAsideWholeAndNamed() throws Exception {
    Kept k = kept();
    byte[] bad = "not a database, whatever it was, of some length ".repeat(40).getBytes(UTF_8);
    Files.write(k.file, bad);
    History<Entry> h = k.history();
    h.offer(k.entry("r", "", "m", null));
    k.flush(h);
    assertThat(h.trouble()).isEmpty();
    assertThat(aside()).containsExactly("h.db.corrupt-20261128T100001Z");
    assertThat(Files.readAllBytes(folder.resolve(aside().getFirst()))).isEqualTo(bad);
    assertThat(k.reader().decisions("r", 9)).hasSize(1);
    h.finish();
  }

  @Test
  void damageInsideIsFoundAtTheStartAndTheSecondOneIsKeptBesideTheFirst() throws Exception {
    Kept k = kept();
    for (int time = 0; time < 2; time++) {
      History<Entry> h = k.history();
      for (int n = 0; n < 500; n++) {
        h.offer(k.entry("r" + n, "", "m", null));
      }
      k.flush(h);
      h.finish();
      byte[] all = Files.readAllBytes(k.file);
      for (int at = 4096; at < all.length; at += 512) {
        all[at] ^= 0x5a;
      }
      Files.write(k.file, all);
    }
    History<Entry> h = k.history();
    k.flush(h);
    assertThat(h.trouble()).isEmpty();
    assertThat(aside()).hasSize(2);
    h.finish();
  }

  @Test
  void aLaterVersionsFileIsLeftAsItIs() throws Exception {
    Kept k = kept();
    History<Entry> one = k.history();
    one.offer(k.entry("r", "", "m", null));
    k.flush(one);
    one.finish();
    pragma(k.file, "user_version = 99");
    byte[] before = Files.readAllBytes(k.file);
    History<Entry> two = k.history();
    k.flush(two);
    assertThat(two.trouble())
        .isEqualTo("version 99 (expected: at most 1, or the later InfiniLM-SVC that wrote it)");
    assertThat(Files.readAllBytes(k.file)).isEqualTo(before);
    assertThat(aside()).isEmpty();
    assertThatThrownBy(() -> k.reader().decisions("r", 9))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("version 99 (expected: at most 1");
    two.finish();
  }

  @Test
  void anotherProgramsDatabaseIsLeftAsItIs() throws Exception {
    Kept k = kept();
    pragma(k.file, "user_version = 3");
    byte[] before = Files.readAllBytes(k.file);
    History<Entry> h = k.history();
    k.flush(h);
    assertThat(h.trouble()).startsWith("another program's database");
    assertThat(Files.readAllBytes(k.file)).isEqualTo(before);
    h.finish();
  }

  private static void pragma(Path file, String what) throws Exception {
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement s = c.createStatement()) {
      s.execute("pragma " + what);
    }
  }

  @Test
  void anEarlierVersionsFileBecomesOneOfThis() throws Exception {
    Path file = folder.resolve("h.db");
    List<String> first = Schema.VERSIONS.getFirst();
    Store.open(file, List.of(first)).close();
    pragma(file, "foreign_keys = on");
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement s = c.createStatement()) {
      s.execute("insert into usage values(1, 'k', 'm', 5, 0, 0, 0, 0, 0)");
    }
    List<List<String>> later =
        List.of(first, List.of("alter table usage add column images integer not null default 7"));
    Store.open(file, later).close();
    Store.open(file, later).close();
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + file)) {
      assertThat(Schema.number(c, "pragma user_version")).isEqualTo(2);
      assertThat(Schema.number(c, "select requests * images from usage")).isEqualTo(35);
    }
    List<List<String>> bad =
        List.of(
            first,
            later.get(1),
            List.of("alter table usage add column sounds integer", "no such statement"));
    assertThatThrownBy(() -> Store.open(file, bad)).hasMessageContaining("syntax error");
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + file)) {
      assertThat(Schema.number(c, "pragma user_version")).as("as it was").isEqualTo(2);
      assertThatThrownBy(() -> Schema.number(c, "select sounds from usage")).isNotNull();
    }
  }

  @Test
  void aFolderThatCannotBeWrittenIsSaidAndTriedAgain() throws Exception {
    Path inTheWay = Files.writeString(folder.resolve("file"), "x");
    Kept k = new Kept(inTheWay.resolve("h.db"));
    History<Entry> h = k.history();
    h.offer(k.entry("r", "", "m", new Tokens(1, 0, 1)));
    k.flush(h);
    assertThat(h.trouble()).contains(inTheWay.toString());
    Files.delete(inTheWay);
    k.pass(Duration.ofSeconds(10));
    k.flush(h);
    assertThat(h.trouble()).isEmpty();
    assertThat(k.reader().usage(Set.of(), 0).getFirst().promptTokens())
        .as("what came meanwhile is not lost")
        .isEqualTo(1);
    h.finish();
  }

  @Test
  void aFileThatIsTakenAwayIsBegunAnew() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    k.flush(h);
    Files.delete(k.file);
    h.offer(k.entry("r", "", "m", null));
    k.flush(h);
    assertThat(h.trouble()).isEmpty();
    assertThat(k.reader().decisions("r", 9)).hasSize(1);
    h.finish();
  }

  /// What was restored must not be overlaid by the log of the file before it, nor written beside.
  @Test
  void aFileThatIsReplacedIsTheOneThatIsWritten() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    h.offer(k.entry("saved", "", "m", null));
    k.flush(h);
    Path saved = k.file.resolveSibling("saved.db");
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + k.file);
        Statement s = c.createStatement()) {
      s.executeUpdate("backup to '" + saved + "'");
    }
    h.offer(k.entry("after", "", "m", null));
    k.flush(h);

    Files.move(saved, k.file, StandardCopyOption.REPLACE_EXISTING);
    h.offer(k.entry("then", "", "m", null));
    k.flush(h);

    assertThat(h.trouble()).isEmpty();
    assertThat(k.reader().decisions("saved", 9)).hasSize(1);
    assertThat(k.reader().decisions("after", 9)).isEmpty();
    assertThat(k.reader().decisions("then", 9)).hasSize(1);
    h.finish();
    assertThat(k.reader().decisions("saved", 9)).hasSize(1);
    assertThat(k.reader().decisions("then", 9)).hasSize(1);
  }

  @Test
  void anEmptyFileInItsPlaceIsBegun() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history();
    h.offer(k.entry("gone", "", "m", null));
    k.flush(h);
    Path empty = Files.createFile(k.file.resolveSibling("empty"));
    Files.move(empty, k.file, StandardCopyOption.REPLACE_EXISTING);

    h.offer(k.entry("r", "", "m", null));
    k.flush(h);

    assertThat(h.trouble()).isEmpty();
    assertThat(k.reader().decisions("gone", 9)).isEmpty();
    assertThat(k.reader().decisions("r", 9)).hasSize(1);
    h.finish();
  }

  @Test
  void whatIsTooOldIsForgottenAndUsageStaysLonger() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history(new HistorySettings(k.file, 2, 5, 256L << 20, 1000));
    h.offer(k.entry("old", "", "m", null));
    k.flush(h);
    long first = minute(k);
    k.pass(Duration.ofDays(3));
    h.offer(k.entry("new", "", "m", null));
    k.flush(h);
    assertThat(k.reader().decisions("old", 9)).isEmpty();
    assertThat(k.reader().decisions("new", 9)).hasSize(1);
    assertThat(k.reader().course(first, 1, 1).json().get("pools")).isEqualTo(Map.of());
    assertThat(k.reader().usage(Set.of(), 0).getFirst().requests()).isEqualTo(2);
    k.pass(Duration.ofDays(5));
    k.flush(h);
    assertThat(k.reader().usage(Set.of(By.DAY), 0)).hasSize(1);
    h.finish();
  }

  @Test
  void atItsSizeTheOldestDecisionsGoAndUsageStays() throws Exception {
    Kept k = kept();
    long most = 2L << 20;
    History<Entry> h = k.history(new HistorySettings(k.file, 30, 400, most, 100_000));
    String long200 = "x".repeat(200);
    for (int round = 0; round < 16; round++) {
      for (int n = 0; n < 1000; n++) {
        h.offer(k.entry(round + "-" + n + long200, "k", "m", new Tokens(1, 0, 0)));
      }
      k.pass(Duration.ofSeconds(10));
      k.flush(h);
    }
    assertThat(h.bytes()).isLessThan(most);
    assertThat(k.reader().decisions("0-0" + long200, 9)).isEmpty();
    assertThat(k.reader().decisions("15-999" + long200, 9)).hasSize(1);
    assertThat(k.reader().usage(Set.of(), 0).getFirst().requests()).isEqualTo(16_000);
    h.finish();
    assertThat(Files.size(k.file)).as("on the disk too").isLessThan(most + most / 4);
  }

  @Test
  void namesThatClientsMakeUpAreBounded() throws Exception {
    Kept k = kept();
    History<Entry> h = k.history(new HistorySettings(k.file, 30, 400, 256L << 20, 0));
    for (int n = 0; n < 5000; n++) {
      h.offer(k.entry("r", "", "made-up-" + n, null));
      if (n % 100 == 0) {
        k.flush(h);
      }
    }
    h.finish();
    List<UsageRow> rows = k.reader().usage(Set.of(By.MODEL), 0);
    assertThat(rows).hasSizeLessThanOrEqualTo(Tally.MOST_GROUPS + 1);
    assertThat(rows.stream().mapToLong(UsageRow::requests).sum()).isEqualTo(5000);
  }
}
