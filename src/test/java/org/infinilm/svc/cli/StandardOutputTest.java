package org.infinilm.svc.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;

class StandardOutputTest {
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  /// Prints a line to what fails so, and ends with `code`.
  private int printed(String failure, int code) {
    StandardOutput out =
        new StandardOutput(
            new OutputStream() {
              @Override
              public void write(int b) throws IOException {
                throw new IOException(failure);
              }
            });
    PrintStream print = new PrintStream(out, true, UTF_8);
    print.println("a bill");
    print.flush();
    return out.code(code, new PrintStream(err, true, UTF_8));
  }

  @Test
  void whatCouldNotBeWrittenIsAFailureAndSaid() {
    assertThat(printed("No space left on device", 0)).isEqualTo(1);
    assertThat(err.toString(UTF_8)).startsWith("standard output: No space left on device");
    assertThat(printed("No space left on device", 2)).isEqualTo(2);
  }

  @Test
  void aReaderThatLeftIsNone() {
    assertThat(printed("Broken pipe", 0)).isZero();
    assertThat(err.toString(UTF_8)).isEmpty();
  }

  @Test
  void whatIsWrittenArrives() {
    ByteArrayOutputStream to = new ByteArrayOutputStream();
    StandardOutput out = new StandardOutput(to);
    PrintStream print = new PrintStream(out, true, UTF_8);
    print.println("a bill");
    assertThat(to.toString(UTF_8)).isEqualTo("a bill" + System.lineSeparator());
    assertThat(out.code(0, new PrintStream(err, true, UTF_8))).isZero();
  }
}
