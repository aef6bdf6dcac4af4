package org.infinilm.svc.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import org.jspecify.annotations.Nullable;

/// Standard output of a command, which remembers what could not be written: a print stream swallows
/// that, and a script would keep half an answer for a whole one. Used by one thread at a time.
final class StandardOutput extends FilterOutputStream {
  private static final String READER_LEFT = "Broken pipe";

  private @Nullable IOException failure;

  StandardOutput(OutputStream to) {
    super(to);
  }

  /// Takes over standard output of this process.
  static StandardOutput install() {
    StandardOutput out = new StandardOutput(new FileOutputStream(FileDescriptor.out));
    System.out.flush();
    System.setOut(new PrintStream(out, true, System.out.charset()));
    return out;
  }

  /// The exit code of a command whose own is `code`: 1 where that is 0 and not all was written, and
  /// `err` says why. That whoever read has left (`| head`) is no failure.
  int code(int code, PrintStream err) {
    IOException f = failure;
    if (f == null || READER_LEFT.equals(f.getMessage())) {
      return code;
    }
    err.println("standard output: " + f.getMessage());
    return code == 0 ? 1 : code;
  }

  @Override
  public void write(int b) throws IOException {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] b, int from, int length) throws IOException {
    try {
      out.write(b, from, length);
    } catch (IOException e) {
      failure = failure == null ? e : failure;
      throw e;
    }
  }
}
