package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineReaderTest {
  private static List<String> lines(byte[] bytes) throws IOException {
    List<String> out = new ArrayList<>();
    LineReader.drain(new ByteArrayInputStream(bytes), out::add);
    return out;
  }

  @Test
  void linesEndWithLfOrCrAndTheLastNeedsNone() throws IOException {
    assertThat(lines("a\r\nb\r10%\r20%\n\nc".getBytes(StandardCharsets.UTF_8)))
        .containsExactly("a", "b", "10%", "20%", "c");
  }

  @Test
  void bytesThatAreNoUtf8AndControlCharactersAreHarmless() throws IOException {
    assertThat(lines(new byte[] {'x', (byte) 0xff, (byte) 0xfe, 27, '[', 'm', 'y', '\n', 'z'}))
        .containsExactly("x\ufffd\ufffd[my", "z");
  }

  @Test
  void aLongLineIsCut() throws IOException {
    String line = "x".repeat(LineReader.MAX_LINE_BYTES + 10);
    assertThat(lines((line + "\nnext").getBytes(StandardCharsets.UTF_8)))
        .containsExactly("x".repeat(LineReader.MAX_LINE_BYTES) + " ... (10 bytes cut)", "next");
  }

  @Test
  void aLineThatCannotBeTakenHoldsUpNoOther() throws IOException {
    List<String> out = new ArrayList<>();
    LineReader.drain(
        new ByteArrayInputStream("a\nb\nc\n".getBytes(StandardCharsets.UTF_8)),
        line -> {
          if (line.equals("b")) {
            throw new OutOfMemoryError();
          }
          out.add(line);
        });
    assertThat(out).containsExactly("a", "c");
  }

  @Test
  void theTailKeepsTheNewestLines() {
    LogTail tail = new LogTail();
    for (int i = 0; i < LogTail.MAX_LINES + 5; i++) {
      tail.add(1, "line " + i);
    }
    assertThat(tail.last(2)).containsExactly("line 2003", "line 2004");
    assertThat(tail.last(100_000)).hasSize(LogTail.MAX_LINES).startsWith("line 5");
  }

  @Test
  void theTailTellsTheLinesOfOneStartFromThoseOfOthers() {
    LogTail tail = new LogTail();
    tail.add(1, "goodbye");
    tail.add(2, "loading");
    tail.add(1, "a late line");
    assertThat(tail.last(10, 2)).containsExactly("loading");
    assertThat(tail.last(1, 1)).containsExactly("a late line");
    assertThat(tail.last(10, 3)).isEmpty();
    assertThat(tail.last(2)).containsExactly("loading", "a late line");
  }

  @Test
  void anUnfinishedLineIsShownAfterAPause() {
    List<String> lines = new ArrayList<>();
    LineReader reader = new LineReader(lines::add);
    byte[] prompt = "password: ".getBytes(StandardCharsets.UTF_8);
    reader.feed(prompt, prompt.length);
    reader.pause();
    assertThat(lines).isEmpty();
    reader.feed(prompt, 1);
    reader.pause();
    assertThat(lines).as("it went on meanwhile").isEmpty();
    reader.pause();
    assertThat(lines).containsExactly("password: p");
    reader.pause();
    reader.end();
    assertThat(lines).hasSize(1);
  }
}
