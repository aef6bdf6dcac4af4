package org.infinilm.svc.http;

import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Peeked;

/// Counts the bytes of a JSON document's strings, undone of their escapes, of which a token can
/// stand for very many: white space, ASCII marks, and characters that repeat the one before. All of
/// the document is looked at, so that there are at most so many in any text that stands in it. Not
/// thread-safe.
final class LightBytes implements BodyPeek.Sink {
  private static final int ESCAPE = 1;
  private static final int UNIT = 2;
  private static final int UNIT_END = 6;

  private long light;
  private int state;
  private int unit;
  private int character;
  private int width;
  private int more;
  private int before;

  long light() {
    return light;
  }

  @Override
  public void feed(byte[] b, int from, int to) {
    for (int i = from; i < to; i++) {
      int c = b[i] & 0xff;
      if (state != 0) {
        escaped(c);
      } else if (c == '\\') {
        state = ESCAPE;
      } else if (c < 0x80) {
        more = 0;
        ended(c, 1, !isWord(c));
      } else if (c >= 0xc0) {
        character = c;
        width = 1;
        more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      } else if (more > 0) {
        character = character << 8 | c;
        width++;
        if (--more == 0) {
          ended(character, width, false);
        }
      }
    }
  }

  /// Short escapes stand for white space and marks.
  private void escaped(int c) {
    if (state == ESCAPE) {
      state = c == 'u' ? UNIT : 0;
      unit = 0;
      if (c != 'u') {
        ended(-c, 1, true);
      }
      return;
    }
    unit = unit << 4 | Math.max(0, Character.digit(c, 16));
    if (++state == UNIT_END) {
      state = 0;
      boolean surrogate = unit >= 0xd800 && unit <= 0xdfff;
      ended(
          unit, unit < 0x80 ? 1 : unit < 0x800 || surrogate ? 2 : 3, unit < 0x80 && !isWord(unit));
    }
  }

  private void ended(int what, int bytes, boolean isLight) {
    if (isLight || what == before) {
      light += bytes;
    }
    before = what;
  }

  private static boolean isWord(int c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' || c >= '0' && c <= '9';
  }

  @Override
  public boolean wantsMore() {
    return true;
  }

  @Override
  public Peeked peeked(long bytes) {
    return Peeked.of(Form.OTHER, bytes, null);
  }
}
