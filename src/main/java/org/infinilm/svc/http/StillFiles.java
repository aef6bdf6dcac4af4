package org.infinilm.svc.http;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// When files are to be read again, by a look at them every [#LOOK]: once they have changed and
/// stand still. A new file that was renamed over one is whole at the next look; what is written in
/// place may be a copy that stalls, and half of it a whole document. Not thread-safe.
final class StillFiles {
  static final Duration LOOK = Duration.ofMillis(500);

  /// Looks for which a file must stand still that is written in place: 2 s, as for other files.
  static final int STILL_IN_PLACE = 4;

  /// How one writing of a file is told from another.
  ///
  /// @param identity of the file behind the name, or null where the file system has none
  private record Stamp(FileTime modified, long bytes, @Nullable Object identity) {
    /// Null for a file that is not there.
    static @Nullable Stamp of(Path file) {
      try {
        BasicFileAttributes a = Files.readAttributes(file, BasicFileAttributes.class);
        return new Stamp(a.lastModifiedTime(), a.size(), a.fileKey());
      } catch (IOException gone) {
        return null;
      }
    }
  }

  private final List<Path> files;

  /// As they were when they were read, and at the last look.
  private List<@Nullable Stamp> read;

  private List<@Nullable Stamp> seen;

  /// Looks since something changed.
  private int still;

  /// Before they are read for the first time: what is written meanwhile is seen later.
  StillFiles(List<Path> files) {
    this.files = List.copyOf(files);
    this.read = stamps();
    this.seen = read;
  }

  private List<@Nullable Stamp> stamps() {
    List<@Nullable Stamp> out = new ArrayList<>();
    files.forEach(f -> out.add(Stamp.of(f)));
    return out;
  }

  /// Whether they are not those that were read.
  boolean haveChanged() {
    return !stamps().equals(read);
  }

  /// Looks at them.
  ///
  /// @return whether they are to be read now; who finds then that they [#haveChanged] since does
  ///   without, and looks on
  boolean look() {
    List<@Nullable Stamp> now = stamps();
    still = now.equals(seen) ? still + 1 : 0;
    seen = now;
    if (now.equals(read) || still < (isInPlace(now) ? STILL_IN_PLACE : 1)) {
      return false;
    }
    read = now;
    return true;
  }

  /// Before they are read at somebody's word.
  void taken() {
    read = stamps();
    seen = read;
  }

  private boolean isInPlace(List<@Nullable Stamp> now) {
    for (int k = 0; k < files.size(); k++) {
      Stamp is = now.get(k);
      Stamp was = read.get(k);
      if (is != null
          && was != null
          && !is.equals(was)
          && is.identity() != null
          && Objects.equals(is.identity(), was.identity())) {
        return true;
      }
    }
    return false;
  }
}
