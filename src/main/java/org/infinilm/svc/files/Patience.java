package org.infinilm.svc.files;

import java.time.Duration;

/// How long something is waited for with files that are followed, whoever follows them.
public final class Patience {
  /// How long a file says the same that is written in place, before it is believed: who writes it
  /// may pause, and half of it may be a whole document. A new file that was renamed over it is
  /// whole.
  public static final Duration STILL_IN_PLACE = Duration.ofSeconds(2);

  /// After which a file is named that says something else all the while and is not read.
  public static final Duration LATE = Duration.ofSeconds(5);

  /// After which what was refused is read again as it is: why may lie outside of it, in another
  /// file that it names, in who may read it, or in the time.
  public static final Duration AGAIN = Duration.ofSeconds(5);

  /// What is said of a file after [#LATE], behind its name.
  public static final String CHANGES =
      ": written again and again, and not read for "
          + LATE.toSeconds()
          + " s (expected: the same for "
          + STILL_IN_PLACE.toSeconds()
          + " s, or written beside it and renamed into place)";

  private Patience() {}
}
