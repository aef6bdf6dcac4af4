package org.infinilm.svc.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// How one writing of a file is told from another without reading it.
///
/// @param modifiedNanos since the epoch
/// @param identity of the file behind the name, or null where the file system has none
public record Stamp(long modifiedNanos, long bytes, @Nullable Object identity) {
  public static Stamp of(BasicFileAttributes a) {
    return new Stamp(a.lastModifiedTime().to(TimeUnit.NANOSECONDS), a.size(), a.fileKey());
  }

  /// Null for a file that is not there or cannot be looked at.
  public static @Nullable Stamp of(Path file) {
    try {
      return of(Files.readAttributes(file, BasicFileAttributes.class));
    } catch (IOException gone) {
      return null;
    }
  }

  /// By its fields, as a record does it; not by a record's method handles, which are interpreted in
  /// what is asked a few times a second.
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
