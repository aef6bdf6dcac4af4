package org.infinilm.svc.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/// Files that a setting names, read whole. What is no regular file is not opened: a device never
/// ends, and a pipe that nobody writes to holds whoever opens it. Stateless.
public final class InputFile {
  /// What a shell hands over by `<(...)` is open already.
  private static final Pattern OPEN =
      Pattern.compile("/dev/(stdin|fd/[0-9]+)|/proc/[^/]+/fd/[0-9]+");

  private InputFile() {}

  /// All of its bytes; never more than `most` are read.
  ///
  /// @throws FileSystemException with a reason in words ([ConfigException#reason]) when it is no
  ///   regular file or larger
  public static byte[] read(Path file, int most) throws IOException {
    requireReadable(file);
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw tooLarge(file, most);
      }
      return bytes;
    }
  }

  /// Ends where opening it could take for ever, or reading it; goes on where there is no such file.
  ///
  /// @throws FileSystemException with a reason in words
  public static void requireReadable(Path file) throws FileSystemException {
    if (Files.exists(file)
        && !Files.isRegularFile(file)
        && !OPEN.matcher(file.toString()).matches()) {
      throw new FileSystemException(
          file.toString(), null, "no regular file (expected: a file that ends)");
    }
  }

  private static FileSystemException tooLarge(Path file, int most) throws IOException {
    String size = Files.isRegularFile(file) ? Files.size(file) + " bytes" : "more bytes";
    return new FileSystemException(
        file.toString(), null, size + " (expected: at most " + most + ")");
  }
}
