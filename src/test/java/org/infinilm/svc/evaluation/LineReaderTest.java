package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LineReaderTest {
  @TempDir Path folder;

  private List<String> read(String text) throws Exception {
    Path file = Files.writeString(folder.resolve("lines"), text);
    List<String> out = new ArrayList<>();
    try (LineReader r = new LineReader(file)) {
      for (String line = r.next(); line != null; line = r.next()) {
        out.add(line);
        assertThat(r.number()).isEqualTo(out.size());
        assertThat(r.isTooLong()).isFalse();
      }
    }
    return out;
  }

  @Test
  void linesAreThoseOfTheLibrary() throws Exception {
    SplittableRandom random = new SplittableRandom(3);
    for (int n = 0; n < 300; n++) {
      StringBuilder text = new StringBuilder();
      for (int k = random.nextInt(40); k > 0; k--) {
        text.append("x".repeat(random.nextInt(3) == 0 ? random.nextInt(9000) : random.nextInt(3)));
        text.append(List.of("\n", "\r", "\r\n", "").get(random.nextInt(4)));
      }
      List<String> lines = new BufferedReader(new StringReader(text.toString())).lines().toList();
      assertThat(read(text.toString())).isEqualTo(lines);
    }
  }

  @Test
  void aMarkAtTheBeginningIsNoPartOfTheFirstLine() throws Exception {
    assertThat(read("\uFEFFa\n\uFEFFb")).containsExactly("a", "\uFEFFb");
    assertThat(read("\uFEFF")).isEmpty();
  }

  @Test
  void aLineThatIsTooLongIsCutAndTheNextOneIsWhole() throws Exception {
    Path file =
        Files.writeString(folder.resolve("long"), "a\n" + "x".repeat(LineReader.MOST + 5) + "\nb");
    try (LineReader r = new LineReader(file)) {
      assertThat(r.next()).isEqualTo("a");
      assertThat(r.next()).hasSize(LineReader.MOST);
      assertThat(r.isTooLong()).isTrue();
      assertThat(r.next()).isEqualTo("b");
      assertThat(r.isTooLong()).isFalse();
      assertThat(r.number()).isEqualTo(3);
      assertThat(r.next()).isNull();
    }
  }

  @Test
  void whatIsNoTextIsSaidOfItsLineAlone() throws Exception {
    byte[] bytes = "a\nb?c\r\n\u4e2d\n".getBytes(StandardCharsets.UTF_8);
    bytes[3] = (byte) 0xff;
    try (LineReader r = new LineReader(Files.write(folder.resolve("bytes"), bytes))) {
      assertThat(r.next()).isEqualTo("a");
      assertThat(r.isText()).isTrue();
      assertThat(r.next()).startsWith("b").endsWith("c");
      assertThat(r.isText()).isFalse();
      assertThat(r.next()).isEqualTo("\u4e2d");
      assertThat(r.isText()).isTrue();
      assertThat(r.next()).isNull();
    }
  }
}
