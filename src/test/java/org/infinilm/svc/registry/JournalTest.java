package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.infinilm.svc.registry.Samples.START;
import static org.infinilm.svc.registry.Samples.entry;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JournalTest {
  @TempDir private Path dir;

  private static JournalRecord put(String name) {
    return new JournalRecord.Put(new Event.Stored(entry(name), START, START));
  }

  private Journal open() throws IOException {
    return Journal.open(dir, Samples.at(0), "boot");
  }

  private List<String> names() throws IOException {
    try (Journal j = open()) {
      return j.restored().entries().stream().map(s -> s.entry().name()).toList();
    }
  }

  private List<Path> asideFiles() throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.filter(p -> p.getFileName().toString().contains("damaged")).sorted().toList();
    }
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  @Test
  void whatIsConfirmedIsThereAfterwards() throws Exception {
    try (Journal j = open()) {
      assertThat(j.append(List.of(put("a"), put("b"))).get()).isTrue();
      assertThat(j.append(List.of(new JournalRecord.Deleted("a", START))).get()).isTrue();
    }
    assertThat(names()).containsExactly("b");
    assertThat(names()).containsExactly("b");
  }

  @Test
  void aConfirmedRecordIsInTheFileBeforeItIsClosed() throws Exception {
    try (Journal j = open()) {
      j.append(List.of(put("a"))).get();
      assertThat(Files.readString(dir.resolve("journal.jsonl"))).contains("\"name\":\"a\"");
    }
  }

  @Test
  void oneFlippedBitLosesOneLineAndTheFileIsKeptUnderANewName() throws Exception {
    try (Journal j = open()) {
      j.append(List.of(put("a"), put("b"), put("c"))).get();
      j.append(List.of(new JournalRecord.Deleted("d", START))).get();
    }
    Path file = dir.resolve("journal.jsonl");
    byte[] bytes = Files.readAllBytes(file);
    bytes[text(bytes).indexOf("\"name\":\"a\"") + 8] ^= 1;
    Files.write(file, bytes);
    try (Journal j = open()) {
      assertThat(j.restored().entries())
          .extracting(s -> s.entry().name())
          .containsExactly("b", "c");
      assertThat(j.restored().deleted()).containsOnlyKeys("d");
    }
    assertThat(asideFiles())
        .singleElement()
        .satisfies(p -> {
          assertThat(p.getFileName()).hasToString("journal.damaged-20260210T080645Z.jsonl");
          assertThat(Files.readAllBytes(p)).isEqualTo(bytes);
        });
    assertThat(names()).containsExactly("b", "c");
    Files.writeString(file, "nonsense");
    assertThat(names()).isEmpty();
    assertThat(asideFiles()).hasSize(2);
  }

  /// A cleaner of temporary folders, a volume that was mounted anew.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aFileThatIsTakenAwayWhileItRunsIsNoticedAndWrittenAnew(boolean folderToo) throws Exception {
    try (Journal j = open()) {
      assertThat(j.append(List.of(put("a"))).get()).isTrue();
      if (folderToo) {
        try (Stream<Path> files = Files.list(dir)) {
          for (Path f : files.toList()) {
            Files.delete(f);
          }
        }
        Files.delete(dir);
      } else {
        Files.delete(dir.resolve("journal.jsonl"));
      }
      assertThat(j.append(List.of(put("b"))).get()).isFalse();
      assertThat(j.isBroken()).isTrue();
      assertThat(j.snapshot(List.of(put("a"), put("b"))).get()).isTrue();
      assertThat(j.isBroken()).isFalse();
      assertThat(j.append(List.of(put("c"))).get()).isTrue();
    }
    assertThat(names()).containsExactly("a", "b", "c");
  }

  @Test
  void onlyTheLastFewDamagedFilesAreKept() throws Exception {
    for (int n = 0; n < 9; n++) {
      Files.writeString(dir.resolve("journal.jsonl"), "nonsense " + n);
      try (Journal j = Journal.open(dir, Samples.at(n), "boot")) {
        assertThat(j.isBroken()).isFalse();
      }
    }
    assertThat(asideFiles()).hasSize(5);
    assertThat(asideFiles().getLast()).hasContent("nonsense 8");
  }

  /// A folder in the way is an error like that of a full disk, and one that a test can make and
  /// undo.
  @Test
  void aStartThatCannotWriteServesWhatItReadAndLosesNothing() throws Exception {
    try (Journal j = open()) {
      j.append(List.of(put("a"), put("b"))).get();
    }
    Path obstacle = dir.resolve("journal.jsonl.new/in-the-way");
    Files.createDirectories(obstacle);
    Path file = dir.resolve("journal.jsonl");
    byte[] bytes = Files.readAllBytes(file);
    bytes[text(bytes).indexOf("\"name\":\"a\"") + 8] ^= 1;
    Files.write(file, bytes);
    for (int start = 0; start < 2; start++) {
      try (Journal j = open()) {
        assertThat(j.restored().entries()).extracting(s -> s.entry().name()).containsExactly("b");
        assertThat(j.isBroken()).isTrue();
        assertThat(j.append(List.of(put("c"))).get()).isFalse();
      }
      assertThat(file).hasBinaryContent(bytes);
      assertThat(asideFiles()).hasSize(1);
    }
    Files.delete(obstacle);
    Files.delete(obstacle.getParent());
    try (Journal j = open()) {
      assertThat(j.isBroken()).isFalse();
    }
    assertThat(names()).containsExactly("b");
  }

  @Test
  void folderAndFilesAreTheOwnersAlone(@TempDir Path parent) throws Exception {
    Path wide = parent.resolve("wide");
    Files.createDirectories(wide);
    Files.writeString(wide.resolve("journal.jsonl"), "");
    Files.setPosixFilePermissions(wide, PosixFilePermissions.fromString("rwxr-xr-x"));
    for (Path folder : List.of(parent.resolve("new/one"), wide)) {
      try (Journal j = Journal.open(folder, Samples.at(0), "boot")) {
        j.append(List.of(put("a"))).get();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)))
            .isEqualTo("rwx------");
        try (Stream<Path> files = Files.list(folder)) {
          for (Path f : files.toList()) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(f)))
                .as(f.toString())
                .isEqualTo("rw-------");
          }
        }
      }
    }
  }

  @Test
  void aFolderThatHoldsOtherThingsKeepsItsPermissions() throws Exception {
    Files.writeString(dir.resolve("somebody-elses"), "");
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwxr-xr-x"));
    try (Journal j = open()) {
      assertThat(j.isBroken()).isFalse();
    }
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(dir)))
        .isEqualTo("rwxr-xr-x");
  }

  @Test
  void aFolderHasOneOwner() throws Exception {
    try (Journal first = open()) {
      assertThatThrownBy(this::open)
          .isInstanceOf(IOException.class)
          .hasMessageContaining(dir.toString())
          .hasMessageContaining("held by another registry");
      assertThat(first.append(List.of(put("a"))).get()).isTrue();
    }
    assertThat(names()).containsExactly("a");
  }

  @Test
  void aFolderThatWasNamedByASlipIsSaid(@TempDir Path parent) throws Exception {
    Path file = Files.writeString(parent.resolve("file"), "");
    for (Path slip : List.of(file, file.resolve("below"), Path.of("/proc/none/here"))) {
      assertThatThrownBy(() -> Journal.open(slip, Samples.at(0), "boot"))
          .isInstanceOf(JournalFolder.Misused.class)
          .hasMessageContaining(slip.toString())
          .hasMessageContaining("(expected: a folder to write to)");
    }
  }

  @Test
  @Timeout(20)
  void whatIsNoFileInTheJournalsPlaceIsSaidAndNotWaitedFor(@TempDir Path parent) throws Exception {
    Path pipe = parent.resolve("journal.jsonl");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    for (int round = 0; round < 2; round++) {
      assertThatThrownBy(() -> Journal.open(parent, Samples.at(0), "boot"))
          .isInstanceOf(JournalFolder.Misused.class)
          .hasMessage(pipe + ": is no regular file (expected: a file, or none)");
      Files.delete(pipe);
      Files.createDirectory(pipe);
    }
  }

  @Test
  void aDamagedFileThatCannotBeKeptNowIsKeptBeforeItIsReplaced() throws Exception {
    Path file = Files.writeString(dir.resolve("journal.jsonl"), "nonsense");
    // All names that a copy could have are taken.
    for (int n = 0; n <= 1000; n++) {
      String more = n == 0 ? "" : "-" + n;
      Files.createDirectory(dir.resolve("journal.damaged-20260210T080645Z" + more + ".jsonl"));
    }
    try (Journal j = open()) {
      assertThat(j.isBroken()).isTrue();
      assertThat(j.snapshot(List.of(put("a"))).get()).isFalse();
      assertThat(file).hasContent("nonsense");
      for (Path taken : asideFiles()) {
        Files.delete(taken);
      }
      assertThat(j.snapshot(List.of(put("a"))).get()).isTrue();
    }
    assertThat(asideFiles()).singleElement().satisfies(p -> assertThat(p).hasContent("nonsense"));
    assertThat(names()).containsExactly("a");
  }

  @Test
  void heartbeatsWaitForOneAnotherAndForNothingThatIsDurable() throws Exception {
    try (Journal j = open()) {
      j.append(List.of(put("a"))).get();
      List<CompletableFuture<Boolean>> beats = new ArrayList<>();
      for (int n = 0; n < 20; n++) {
        beats.add(j.append(List.of(new JournalRecord.Beat("a", START.plusSeconds(n)))));
      }
      assertThat(j.append(List.of(put("b"))).get()).isTrue();
      assertThat(beats).allMatch(b -> b.getNow(false));
      CompletableFuture<Boolean> last =
          j.append(List.of(new JournalRecord.Beat("a", START.plusSeconds(60))));
      assertThat(last.get()).as("nobody has to follow").isTrue();
    }
    try (Journal j = open()) {
      assertThat(j.restored().entries().getFirst().heartbeatAt()).isEqualTo(START.plusSeconds(60));
    }
  }

  @Test
  void aSnapshotReplacesWhatGrew() throws Exception {
    try (Journal j = open()) {
      List<JournalRecord> beats =
          new ArrayList<>(Collections.nCopies(20_000, new JournalRecord.Beat("a", START)));
      j.append(List.of(put("a"))).get();
      assertThat(j.wantsSnapshot()).isFalse();
      j.append(beats).get();
      assertThat(j.wantsSnapshot()).isTrue();
      assertThat(j.snapshot(List.of(put("a"))).get()).isTrue();
      assertThat(j.wantsSnapshot()).isFalse();
      assertThat(Files.size(dir.resolve("journal.jsonl"))).isLessThan(1000);
      j.append(List.of(put("b"))).get();
    }
    assertThat(names()).containsExactly("a", "b");
  }

  @Test
  void aStoreWritesSnapshotsByItself() throws Exception {
    Samples.Clock clock = new Samples.Clock();
    try (Journal j = open()) {
      JournalStore store = new JournalStore(clock, "boot", j);
      store.apply(new Event.Register(entry("a")));
      for (int i = 0; i < 30_000; i++) {
        store.apply(new Event.Heartbeat("a", i % 1000 == 0 ? "s" + i : null));
      }
      store.apply(new Event.Heartbeat("a", "last"));
      assertThat(Files.size(dir.resolve("journal.jsonl"))).isLessThan(3 << 20);
    }
    try (Journal j = open()) {
      assertThat(j.restored().entries())
          .singleElement()
          .satisfies(s -> assertThat(s.entry().status()).isEqualTo("last"));
    }
  }

  @Test
  void anErrorStopsTheJournalUntilTheNextCleanUp() throws Exception {
    Samples.Clock clock = new Samples.Clock();
    Path file = dir.resolve("journal.jsonl");
    try (Journal j = open()) {
      JournalStore store = new JournalStore(clock, "boot", j);
      store.apply(new Event.Register(entry("a")));
      // A folder in the way of the next snapshot is an error that a test can make and undo.
      Files.delete(file);
      Files.createDirectories(file.resolve("in-the-way"));
      assertThat(j.snapshot(store.table().records()).get()).isFalse();
      assertThat(j.isBroken()).isTrue();
      assertThat(store.apply(new Event.Register(entry("b"))).lease()).isNotNull();
      Files.delete(file.resolve("in-the-way"));
      Files.delete(file);
      store.cleanUp();
      assertThat(j.append(List.of()).get()).isTrue();
      assertThat(j.isBroken()).isFalse();
    }
    assertThat(names()).containsExactly("a", "b");
  }

  @Test
  void aRestoredStoreKeepsAgesAndTombstones() throws Exception {
    Samples.Clock clock = new Samples.Clock();
    try (Journal j = open()) {
      JournalStore store = new JournalStore(clock, "one", j);
      store.apply(new Event.Register(entry("a")));
      store.apply(new Event.Register(entry("b")));
      clock.advance(Duration.ofSeconds(10));
      store.apply(new Event.Heartbeat("a", null));
      store.apply(new Event.Delete("b"));
    }
    clock.advance(Duration.ofSeconds(100));
    try (Journal j = open()) {
      JournalStore store = new JournalStore(clock, "two", j);
      assertThat(store.table().all())
          .singleElement()
          .satisfies(a -> {
            assertThat(a.name()).isEqualTo("a");
            assertThat(a.age(store.now())).isEqualTo(Duration.ofSeconds(100));
            assertThat(a.registeredAt()).isEqualTo(START);
          });
      assertThat(store.table().deleted()).containsOnlyKeys("b");
      assertThat(store.version(store.table())).startsWith("two-");
    }
  }

  /// The monotonic clock says 10 s have passed, the wall clock an hour more or less.
  @ParameterizedTest(name = "clock set by {0} s, machine started again: {1}")
  @CsvSource({"3600, false", "-3600, false", "0, false", "3600, true"})
  void aClockThatWasSetBetweenTwoRunsTakesNobodyOut(long step, boolean rebooted) throws Exception {
    try (Journal j = open()) {
      j.append(List.of(put("a"))).get();
    }
    Now then = Samples.at(10);
    Now now = new Now(then.wall().plusSeconds(step), then.nanos());
    try (Journal j = Journal.open(dir, now, rebooted ? "another" : "boot")) {
      Table t = Table.EMPTY.apply(j.restored(), now).next();
      assertThat(t.all())
          .singleElement()
          .satisfies(l -> {
            assertThat(l.isHealthy(now)).isEqualTo(!rebooted);
            if (!rebooted) {
              assertThat(l.age(now)).isEqualTo(Duration.ofSeconds(10));
            }
          });
    }
  }
}
