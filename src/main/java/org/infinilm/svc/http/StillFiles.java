package org.infinilm.svc.http;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.infinilm.svc.files.Patience;
import org.infinilm.svc.files.Seen;
import org.infinilm.svc.files.Stamp;
import org.jspecify.annotations.Nullable;

/// When PEM files are to be read again, by a look at them every [#LOOK]: once they say something
/// else and stand still, which is to say the same: whoever writes that again and again. A new file
/// that was renamed over one is whole at the next look; what is written in place may be a copy that
/// stalls, and half of it a whole document. What could not be used is read again by and by. Not
/// thread-safe.
final class StillFiles {
  static final Duration LOOK = Duration.ofMillis(500);

  /// Looks for which a file must stand still that is written in place.
  static final int STILL_IN_PLACE = (int) Patience.STILL_IN_PLACE.dividedBy(LOOK);

  /// Looks after which files are late that change all the while.
  static final int LATE = (int) Patience.LATE.dividedBy(LOOK);

  /// Looks after which files that could not be used are read again.
  static final int AGAIN = (int) Patience.AGAIN.dividedBy(LOOK);

  private static final int MOST_BYTES = 16 << 20;

  private final List<Path> files;

  /// As they were when they were read, and at the last look.
  private List<Seen<String>> read;

  private List<Seen<String>> seen;

  /// Looks for which they have said the same.
  private int still;

  /// Looks since they say something else than what was read.
  private int waited;

  /// Looks since they were read and could not be used.
  private int refused;

  /// Before they are read for the first time: what is written meanwhile is seen later.
  StillFiles(List<Path> files) {
    this.files = List.copyOf(files);
    this.seen = find(List.of());
    this.read = seen;
  }

  private List<Seen<String>> find(List<Seen<String>> before) {
    List<Seen<String>> out = new ArrayList<>();
    for (int k = 0; k < files.size(); k++) {
      out.add(
          Seen.bytes(
              files.get(k), before.isEmpty() ? null : before.get(k), MOST_BYTES, TlsFiles::blocks));
    }
    return out;
  }

  private static boolean isSame(List<Seen<String>> some, List<Seen<String>> others) {
    for (int k = 0; k < some.size(); k++) {
      if (!some.get(k).saysWhat(others.get(k))) {
        return false;
      }
    }
    return true;
  }

  private boolean isAsSeen() {
    for (int k = 0; k < files.size(); k++) {
      if (!Objects.equals(seen.get(k).stamp(), Stamp.of(files.get(k)))) {
        return false;
      }
    }
    return true;
  }

  /// Whether there is something to look at.
  boolean mayHaveChanged() {
    return !isSame(seen, read) || !seen.stream().allMatch(Seen::sure) || !isAsSeen();
  }

  /// Looks at them.
  ///
  /// @param wrong whether what was read last could not be used
  /// @return whether they are to be read now; [#stood] tells then whether that was in the middle of
  ///   a writing
  boolean look(boolean wrong) {
    List<Seen<String>> now = find(seen);
    still = isSame(now, seen) ? still + 1 : 0;
    seen = now;
    if (isSame(now, read)) {
      read = now;
      waited = 0;
      refused = wrong ? refused + 1 : 0;
      return refused >= AGAIN;
    }
    waited++;
    return still >= (isInPlace(now) ? STILL_IN_PLACE : 1);
  }

  /// To be asked after they were read.
  ///
  /// @return whether nothing was written since the last look; else that reading is to be forgotten,
  ///   and another look says when there is to be one
  boolean stood() {
    if (!isAsSeen()) {
      return false;
    }
    settle();
    return true;
  }

  /// Before they are read at somebody's word.
  void taken() {
    seen = find(List.of());
    settle();
  }

  private void settle() {
    read = seen;
    waited = 0;
    refused = 0;
  }

  /// Those that change all the while and are not read for it; empty while that is not long.
  List<Path> late() {
    List<Path> out = new ArrayList<>();
    for (int k = 0; k < files.size() && waited > LATE; k++) {
      if (!seen.get(k).saysWhat(read.get(k))) {
        out.add(files.get(k));
      }
    }
    return out;
  }

  private boolean isInPlace(List<Seen<String>> now) {
    for (int k = 0; k < files.size(); k++) {
      @Nullable Stamp is = now.get(k).stamp();
      if (is != null && is.isWrittenInPlace(read.get(k).stamp())) {
        return true;
      }
    }
    return false;
  }
}
