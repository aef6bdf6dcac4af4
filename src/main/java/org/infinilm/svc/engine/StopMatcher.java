package org.infinilm.svc.engine;

import java.util.List;

/// Ends a text at the first of its stop strings, also when one comes in several pieces: text that
/// may become a stop string is held back until that is decided. One thread.
final class StopMatcher {
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private boolean stopped;

  StopMatcher(List<String> stops) {
    this.stops = List.copyOf(stops);
  }

  boolean stopped() {
    return stopped;
  }

  /// Takes more text and returns what is sure to be part of the answer.
  String accept(String text) {
    return accept(text, true);
  }

  /// @param mayStop whether the answer is long enough to end; otherwise the text is part of it
  ///   whatever it says
  String accept(String text, boolean mayStop) {
    if (stopped) {
      return "";
    }
    held.append(text);
    if (!mayStop) {
      return release(held.length());
    }
    int at = firstStop();
    if (at >= 0) {
      stopped = true;
      return release(at);
    }
    return release(held.length() - undecided());
  }

  /// What was held back, when the text ends without a stop string.
  String finish() {
    return stopped ? "" : release(held.length());
  }

  private int firstStop() {
    int first = -1;
    for (String s : stops) {
      int at = held.indexOf(s);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
      }
    }
    return first;
  }

  /// The length of the longest end of the held text that begins a stop string.
  private int undecided() {
    int longest = 0;
    for (String s : stops) {
      for (int n = Math.min(s.length() - 1, held.length()); n > longest; n--) {
        if (s.startsWith(held.substring(held.length() - n))) {
          longest = n;
        }
      }
    }
    return longest;
  }

  private String release(int length) {
    String out = held.substring(0, length);
    held.delete(0, length);
    return out;
  }
}
