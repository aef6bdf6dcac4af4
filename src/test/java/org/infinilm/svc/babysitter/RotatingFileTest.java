package org.infinilm.svc.babysitter;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RotatingFileTest {
  @TempDir private Path dir;

  private RotatingFile file() {
    return new RotatingFile(dir.resolve("s.log"), 10, 2);
  }

  private void add(String line) {
    try (RotatingFile f = file()) {
      f.add(line);
    }
  }

  @Test
  void theNewestLinesStandInTheFileAndTheOlderInItsForebears() {
    try (RotatingFile f = file()) {
      for (String line : new String[] {"one", "two", "three", "four", "five", "six"}) {
        f.add(line);
      }
    }
    assertThat(dir.resolve("s.log")).hasContent("six");
    assertThat(dir.resolve("s.log.1")).hasContent("four\nfive");
    assertThat(dir.resolve("s.log.2")).hasContent("three");
    assertThat(dir.toFile().list()).hasSize(3);
  }

  @Test
  void whereSomebodyMovedOrRemovedItANewOneBegins() throws Exception {
    Path log = dir.resolve("s.log");
    try (RotatingFile f = new RotatingFile(log, 1000, 2)) {
      f.add("one");
      Files.move(log, dir.resolve("moved"));
      f.add("two");
      assertThat(log).hasContent("two");
      Files.delete(log);
      f.add("three");
      assertThat(log).hasContent("three");
      Files.move(Files.writeString(dir.resolve("other"), "four\n"), log, REPLACE_EXISTING);
      f.add("five");
    }
    assertThat(log).hasContent("four\nfive");
    assertThat(dir.resolve("moved")).hasContent("one");
    assertThat(dir.toFile().list()).containsExactlyInAnyOrder("s.log", "moved");
  }

  @Test
  void aNewFileIsItsOwnersAlone() throws Exception {
    add("a prompt");
    assertThat(Files.getPosixFilePermissions(dir.resolve("s.log")))
        .containsExactlyInAnyOrder(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);
  }

  @Test
  void whatCannotTakeLinesHoldsNobodyUp() {
    CountDownLatch stuck = new CountDownLatch(1);
    List<String> taken = new CopyOnWriteArrayList<>();
    LineQueue queue =
        new LineQueue(
            "fifo",
            10,
            line -> {
              try {
                stuck.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              taken.add(line);
            });
    for (int k = 0; k < 1000; k++) {
      queue.add("line " + k);
    }
    stuck.countDown();
    await().until(() -> taken.size() >= 10);
    queue.add("after");
    await().until(() -> taken.contains("after"));
    assertThat(taken).hasSizeLessThan(20).startsWith("line 0");
    queue.add("last");
    queue.close();
    assertThat(taken).endsWith("last");
  }

  @Test
  void anEarlierRunsFileIsGoneOnWith() {
    add("ä long enough");
    add("x");
    assertThat(dir.resolve("s.log")).hasContent("x");
    assertThat(dir.resolve("s.log.1")).hasContent("ä long enough");
  }

  @Test
  void whatCannotBeWrittenIsLostAndTheNextLineIsTriedAgain() throws Exception {
    Path folder = Files.createDirectory(dir.resolve("later"));
    try (RotatingFile f = new RotatingFile(folder.resolve("s.log"), 100, 2)) {
      Files.delete(folder);
      f.add("lost");
      Files.createDirectory(folder);
      f.add("kept");
    }
    assertThat(folder.resolve("s.log")).hasContent("kept");
  }
}
