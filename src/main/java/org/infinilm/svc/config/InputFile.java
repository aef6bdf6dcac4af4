package org.infinilm.svc.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Files that a setting names, read whole. What is no regular file is not opened: a device never
/// ends, and a pipe that nobody writes to holds whoever opens it. Stateless.
public final class InputFile {
  /// What a shell hands over by `<(...)` is open already.
  private static final Pattern OPEN =
      Pattern.compile("/dev/(stdin|fd/[0-9]+)|/proc/[^/]+/fd/[0-9]+");

  /// How long a file stands still that is written in place, before it is read: who writes it may
  /// pause, and half of it may be a whole document. A new file that was renamed over it is whole.
  public static final Duration STILL_IN_PLACE = Duration.ofSeconds(2);

  /// How one writing of a file is told from another without reading it.
  ///
  /// @param modifiedNanos since the epoch
  /// @param identity of the file behind the name, or null where the file system has none
  public record Stamp(long modifiedNanos, long bytes, @Nullable Object identity) {
    public static Stamp of(BasicFileAttributes a) {
      return new Stamp(a.lastModifiedTime().to(TimeUnit.NANOSECONDS), a.size(), a.fileKey());
    }

    /// By its fields, as a record does it; not by a record's method handles, which are interpreted
    /// in what is asked a few times a second.
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Stamp s
          && modifiedNanos == s.modifiedNanos
          && bytes == s.bytes
          && Objects.equals(identity, s.identity);
    }

    @Override
    public int hashCode() {
      return Long.hashCode(modifiedNanos) ^ Long.hashCode(bytes);
    }

    /// Whether it is the same file with something else in it.
    public boolean isWrittenInPlace(@Nullable Stamp before) {
      return before != null
          && !equals(before)
          && identity != null
          && identity.equals(before.identity);
    }
  }

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
