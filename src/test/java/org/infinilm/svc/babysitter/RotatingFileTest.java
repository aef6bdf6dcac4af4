package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RotatingFileTest {
  @TempDir private Path dir;

  private RotatingFile file() {
    return new RotatingFile(dir.resolve("s.log"), 10, 2);
  }

  @Test
  void theNewestLinesStandInTheFileAndTheOlderInItsForebears() {
    RotatingFile f = file();
    for (String line : new String[] {"one", "two", "three", "four", "five", "six"}) {
      f.add(line);
    }
    assertThat(dir.resolve("s.log")).hasContent("six");
    assertThat(dir.resolve("s.log.1")).hasContent("four\nfive");
    assertThat(dir.resolve("s.log.2")).hasContent("three");
    assertThat(dir.toFile().list()).hasSize(3);
  }

  @Test
  void anEarlierRunsFileIsGoneOnWith() {
    file().add("ä long enough");
    RotatingFile later = file();
    later.add("x");
    assertThat(dir.resolve("s.log")).hasContent("x");
    assertThat(dir.resolve("s.log.1")).hasContent("ä long enough");
  }

  @Test
  void whatCannotBeWrittenIsLostAndTheNextLineIsTriedAgain() throws Exception {
    Path folder = Files.createDirectory(dir.resolve("later"));
    RotatingFile f = new RotatingFile(folder.resolve("s.log"), 100, 2);
    Files.delete(folder);
    f.add("lost");
    Files.createDirectory(folder);
    f.add("kept");
    assertThat(folder.resolve("s.log")).hasContent("kept");
  }
}
