package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.router.Decisions.Decision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The decision log when its files are moved, deleted, torn or in the way.
class DecisionLogTest {
  private static final Facts FACTS =
      new Facts(
          new Instance(
              "p",
              "h",
              1,
              "http://h:1",
              List.of(),
              CacheType.PAGED,
              -1,
              1,
              Instance.State.ROUTABLE,
              0,
              Map.of()),
          "m",
          100,
          1,
          2,
          3,
          1,
          50,
          null,
          true,
          false);
  private static final Decision DECISION = new SampleDecision().make();

  @TempDir private Path folder;

  private Path file() {
    return folder.resolve("d.jsonl");
  }

  private Path older() {
    return folder.resolve("d.jsonl.1");
  }

  private static void write(DecisionLog log, int lines) {
    for (int k = 0; k < lines; k++) {
      log.write(log.worded(FACTS, DECISION));
    }
    log.flush();
  }

  /// All lines of a file, each of which must be whole.
  private static int whole(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file);
    for (String l : lines) {
      assertThat(Json.tree(l.getBytes(StandardCharsets.UTF_8)).path("v").asInt())
          .isEqualTo(DecisionLog.VERSION);
    }
    return lines.size();
  }

  private static int bytesOfALine(Path other) throws IOException {
    try (DecisionLog log = new DecisionLog(other, 1 << 20, 1)) {
      write(log, 1);
    }
    return (int) Files.size(other);
  }

  private int bytesOfALine() throws IOException {
    return bytesOfALine(folder.resolve("one"));
  }

  @Test
  void atItsLimitItBecomesTheOlderOne() throws Exception {
    int line = bytesOfALine();
    try (DecisionLog log = new DecisionLog(file(), 10L * line, 1)) {
      for (int k = 0; k < 25; k++) {
        write(log, 1);
        assertThat(Files.size(file())).isLessThanOrEqualTo(10L * line);
      }
    }
    assertThat(whole(older())).isEqualTo(10);
    assertThat(whole(file())).isEqualTo(5);
  }

  @Test
  void oneThatSomebodyTookIsBegunAnew() throws Exception {
    int line = bytesOfALine();
    try (DecisionLog log = new DecisionLog(file(), 10L * line, 1)) {
      write(log, 3);
      Files.move(file(), folder.resolve("taken"));
      write(log, 4);
      assertThat(whole(folder.resolve("taken"))).isEqualTo(3);
      assertThat(whole(file())).isEqualTo(4);
      Files.delete(file());
      write(log, 1);
      assertThat(whole(file())).isEqualTo(1);
      // at the very moment of a rotation
      for (int k = 0; k < 8; k++) {
        log.write(log.worded(FACTS, DECISION));
      }
      log.flush();
      Files.delete(file());
      for (int k = 0; k < 5; k++) {
        log.write(log.worded(FACTS, DECISION));
      }
      log.flush();
      assertThat(whole(file())).isPositive();
    }
  }

  @Test
  void whereTheOlderOneCannotGoThisOneTakesItsPartAndNoMore() throws Exception {
    int line = bytesOfALine();
    Files.createDirectories(older().resolve("full"));
    try (DecisionLog log = new DecisionLog(file(), 10L * line, 1)) {
      for (int k = 0; k < 30; k++) {
        log.write(log.worded(FACTS, DECISION));
      }
      log.flush();
      assertThat(whole(file())).isEqualTo(20);
      assertThat(log.lostLines()).isEqualTo(10);
      Files.delete(older().resolve("full"));
      Files.delete(older());
      write(log, 1);
      assertThat(whole(older())).as("as soon as it can").isEqualTo(20);
      assertThat(whole(file())).isEqualTo(1);
    }
  }

  @Test
  void aLineThatWasCutStaysALineOfItsOwn() throws Exception {
    Files.writeString(file(), "{\"v\":1,\"mod");
    try (DecisionLog log = new DecisionLog(file(), 1 << 20, 1)) {
      write(log, 2);
    }
    List<String> lines = Files.readAllLines(file());
    assertThat(lines).hasSize(3);
    assertThat(lines.getFirst()).isEqualTo("{\"v\":1,\"mod");
    assertThat(lines.get(1)).startsWith("{").endsWith("}");
  }

  @Test
  void aFolderThatIsAwayForAWhileCostsItsLinesAlone() throws Exception {
    Path sub = Files.createDirectory(folder.resolve("sub"));
    Path file = sub.resolve("d.jsonl");
    try (DecisionLog log = new DecisionLog(file, 1 << 20, 1)) {
      write(log, 1);
      Files.move(sub, folder.resolve("away"));
      write(log, 2);
      Files.createDirectory(sub);
      write(log, 3);
      assertThat(whole(file)).isPositive();
      write(log, 1);
      assertThat(1 + whole(file) + log.lostLines()).isEqualTo(7);
    }
    assertThat(whole(file)).isBetween(3, 6);
    assertThat(whole(folder.resolve("away").resolve("d.jsonl"))).isEqualTo(1);
  }
}
