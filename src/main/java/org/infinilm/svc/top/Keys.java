package org.infinilm.svc.top;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Characters of a terminal as keys: one character, or a name in angle brackets.
final class Keys {
  static final String UP = "<up>";
  static final String DOWN = "<down>";
  static final String PAGE_UP = "<page up>";
  static final String PAGE_DOWN = "<page down>";
  static final String ENTER = "<enter>";
  static final String ESCAPE = "<escape>";
  static final String BACK = "<back>";
  static final String INTERRUPT = "<interrupt>";

  /// How long after an escape character the rest of a key may take.
  private static final long REST_MILLIS = 40;

  /// Where characters come from.
  interface Source {
    /// The next character; negative when none came in time, -1 when none will.
    int read(long millis) throws IOException;
  }

  private Keys() {}

  /// The next key, or null when none came in time.
  static @Nullable String next(Source in, long millis) throws IOException {
    int c = in.read(millis);
    return switch (c) {
      case -1 -> INTERRUPT;
      case 3, 4 -> INTERRUPT;
      case '\r', '\n' -> ENTER;
      case 8, 127 -> BACK;
      case 27 -> escaped(in);
      default -> c < ' ' ? null : Character.toString(c);
    };
  }

  /// CSI or SS3 sequences (ECMA-48); those that mean nothing here are passed over.
  private static @Nullable String escaped(Source in) throws IOException {
    int c = in.read(REST_MILLIS);
    if (c != '[' && c != 'O') {
      return ESCAPE;
    }
    int number = 0;
    for (int k = 0; k < 16; k++) {
      int next = in.read(REST_MILLIS);
      if (next >= '0' && next <= '9') {
        number = number * 10 + next - '0';
      } else if (next != ';') {
        return switch (next) {
          case 'A' -> UP;
          case 'B' -> DOWN;
          case '~' -> number == 5 ? PAGE_UP : number == 6 ? PAGE_DOWN : null;
          default -> null;
        };
      }
    }
    return null;
  }
}
