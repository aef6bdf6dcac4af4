package org.infinilm.svc.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class OutputTest {
  private static final long LONG = TimeUnit.SECONDS.toNanos(20);

  /// A pipe that nobody reads until the latch opens.
  private static final class Stuck extends OutputStream {
    private final CountDownLatch read = new CountDownLatch(1);
    private final ByteArrayOutputStream got = new ByteArrayOutputStream();

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] b, int from, int length) throws IOException {
      try {
        read.await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      synchronized (got) {
        got.write(b, from, length);
      }
    }

    private String text() {
      synchronized (got) {
        return got.toString(StandardCharsets.UTF_8);
      }
    }
  }

  @Test
  void whatNobodyReadsIsDroppedAndCountedAndHoldsUpNobody() {
    Stuck pipe = new Stuck();
    Output out = new Output(pipe);
    byte[] line = "x".repeat(1000).concat("\n").getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 5000; i++) {
      out.write(line, 0, line.length);
    }
    assertThat(out.drained(TimeUnit.MILLISECONDS.toNanos(1))).isFalse();
    pipe.read.countDown();
    assertThat(out.drained(LONG)).isTrue();
    out.write(line, 0, line.length);
    assertThat(out.drained(LONG)).isTrue();
    assertThat(pipe.text().lines().filter(l -> l.startsWith("x")).count()).isBetween(1000L, 1100L);
    assertThat(pipe.text()).containsPattern("\\.\\.\\. \\([0-9]{4} pieces of output dropped");
  }

  @Test
  void whatIsReadComesWholeAndInOrder() {
    ByteArrayOutputStream to = new ByteArrayOutputStream();
    Output out = new Output(to);
    StringBuilder wanted = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      byte[] b = ("line " + i + "\n").getBytes(StandardCharsets.UTF_8);
      wanted.append("line ").append(i).append('\n');
      out.write(b, 0, b.length);
    }
    assertThat(out.drained(LONG)).isTrue();
    assertThat(to.toString(StandardCharsets.UTF_8)).isEqualTo(wanted.toString());
  }
}
