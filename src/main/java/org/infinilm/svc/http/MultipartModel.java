package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Store;
import org.infinilm.svc.http.ModelRewrite.Range;
import org.jspecify.annotations.Nullable;

/// Finds the field `model` in a multipart/form-data body (RFC 7578), wherever it stands, in pieces
/// of any size. Each byte is looked at a bounded number of times. Not thread-safe.
/*
 * Lines end with CR LF alone, as RFC 2046 has it and as the form parsers of the instances read it:
 * a body that they would take apart differently must not be routed by a model that they do not see.
 * A delimiter is CR LF, two hyphens, the boundary, blanks, CR LF (or two hyphens at the end); the
 * first may stand at the very start; that of an empty value needs the CR LF that is its own. It is
 * found with the failure function of Knuth, Morris and Pratt (1977), which needs no way back over
 * pieces that have gone.
 */
final class MultipartModel implements BodyPeek.Sink {
  private static final int MOST_LINE_BYTES = 8 << 10;
  private static final int MOST_BOUNDARY = 200;

  private enum State {
    DATA,
    VALUE,
    /// Behind a boundary: blanks and CR LF make it a delimiter, two hyphens the last one.
    BEHIND,
    HEADER,
    END
  }

  private final byte[] delimiter;
  private final int[] fallback;
  private State state = State.DATA;

  /// Bytes of the delimiter that have come; the first one needs no line before it.
  private int matched = 2;

  private int behindBytes;
  private byte behind;
  private byte[] line = new byte[128];
  private int lineBytes;
  private boolean isModel;
  private boolean inModel;
  private boolean tooLong;
  private boolean modelGiven;
  private @Nullable String model;
  private @Nullable String modelProblem;
  private int position;
  private int valueFrom;
  private final List<Range> values = new ArrayList<>(1);

  MultipartModel(byte[] boundary) {
    delimiter = new byte[boundary.length + 4];
    delimiter[0] = '\r';
    delimiter[1] = '\n';
    delimiter[2] = '-';
    delimiter[3] = '-';
    System.arraycopy(boundary, 0, delimiter, 4, boundary.length);
    fallback = new int[delimiter.length];
    for (int k = 1, m = 0; k < delimiter.length; k++) {
      while (m > 0 && delimiter[k] != delimiter[m]) {
        m = fallback[m - 1];
      }
      m += delimiter[k] == delimiter[m] ? 1 : 0;
      fallback[k] = m;
    }
  }

  /// The boundary of a multipart/form-data content type, or null when it is none or names none.
  static byte @Nullable [] boundary(String contentType) {
    int end = contentType.indexOf(';');
    if (end < 0 || !contentType.substring(0, end).strip().equalsIgnoreCase("multipart/form-data")) {
      return null;
    }
    String b = parameter(contentType, end, "boundary");
    return b == null || b.isEmpty() || b.length() > MOST_BOUNDARY ? null : b.getBytes(UTF_8);
  }

  @Override
  public boolean wantsMore() {
    return state != State.END;
  }

  @Override
  public Peeked peeked(long bytes) {
    return new Peeked(
        bytes == 0 ? Form.EMPTY : Form.MULTIPART,
        modelProblem == null ? model : null,
        modelProblem,
        null,
        null,
        false,
        Store.UNSAID,
        0,
        bytes,
        null,
        null,
        null);
  }

  @Override
  public void feed(byte[] b, int from, int to) {
    int before = position;
    int i = from;
    while (i < to && state != State.END) {
      if (state == State.DATA && matched == 0) {
        while (i < to && b[i] != '\r') {
          i++;
        }
        if (i == to) {
          break;
        }
      }
      byte c = b[i++];
      position = before + i - from;
      switch (state) {
        case DATA, VALUE -> data(c);
        case BEHIND -> behind(c);
        case HEADER -> header(c);
        case END -> throw new IllegalStateException("fed after the end");
      }
    }
    position = before + to - from;
  }

  /// Where the values of `model` stand, from the first byte that was fed.
  List<Range> values() {
    return List.copyOf(values);
  }

  private void data(byte c) {
    while (matched > 0 && c != delimiter[matched]) {
      matched = fallback[matched - 1];
    }
    matched += c == delimiter[matched] ? 1 : 0;
    if (state == State.VALUE) {
      append(c);
    }
    if (matched == delimiter.length) {
      inModel = state == State.VALUE;
      state = State.BEHIND;
      matched = 0;
      behindBytes = 0;
      behind = 0;
    }
  }

  /// What does not make a delimiter is data, and its carriage return may begin one.
  private void behind(byte c) {
    if (behind == '\r' && c == '\n') {
      valueEnds();
      state = State.HEADER;
      lineBytes = 0;
      tooLong = false;
      isModel = false;
    } else if (behind == '-' && c == '-') {
      valueEnds();
      state = State.END;
    } else if (behind != '\r' && behind != '-' && (c == '\r' || c == ' ' || c == '\t')
        || behind == 0 && c == '-') {
      behind = c;
      behindBytes++;
      if (inModel) {
        append(c);
      }
    } else {
      matched = behind == '\r' ? 1 : 0;
      state = inModel ? State.VALUE : State.DATA;
      data(c);
    }
  }

  /// Takes the value of `model`, without the delimiter behind it, which was gathered with it.
  private void valueEnds() {
    if (!inModel) {
      return;
    }
    inModel = false;
    int end = lineBytes - delimiter.length - behindBytes;
    if (tooLong) {
      modelProblem = "model: longer than " + MOST_LINE_BYTES + " bytes (expected: a model's name)";
      return;
    }
    String m = new String(line, 0, Math.max(0, end), UTF_8);
    String before = model == null ? "" : model;
    if (modelGiven && !m.equals(before)) {
      modelProblem = "model: given twice, \"%s\" and \"%s\" (expected: once)".formatted(before, m);
    }
    modelGiven = true;
    if (!m.isEmpty()) {
      model = m;
      values.add(new Range(valueFrom, valueFrom + end));
    }
  }

  private void header(byte c) {
    if (c != '\n' || lineBytes == 0 || line[lineBytes - 1] != '\r') {
      append(c);
      if (tooLong) {
        line[lineBytes - 1] = c;
      }
      return;
    }
    int end = lineBytes - 1;
    lineBytes = 0;
    if (end == 0 && !tooLong) {
      state = isModel ? State.VALUE : State.DATA;
      valueFrom = position;
      return;
    }
    if (!tooLong) {
      disposition(new String(line, 0, end, UTF_8));
    }
    tooLong = false;
  }

  /// Of several Content-Disposition fields of a part the last one counts, as in the form parsers of
  /// the instances.
  private void disposition(String field) {
    int colon = field.indexOf(':');
    if (colon < 0 || !field.substring(0, colon).equalsIgnoreCase("content-disposition")) {
      return;
    }
    int end = field.indexOf(';', colon);
    isModel =
        end >= 0
            && field.substring(colon + 1, end).strip().equalsIgnoreCase("form-data")
            && "model".equals(parameter(field, end, "name"))
            && parameter(field, end, "filename") == null;
  }

  private void append(byte c) {
    if (lineBytes == MOST_LINE_BYTES) {
      tooLong = true;
      return;
    }
    if (lineBytes == line.length) {
      line = Arrays.copyOf(line, line.length * 2);
    }
    line[lineBytes++] = c;
  }

  /// The value of the last parameter `name` in `; a=b; c="d"` from `at`, unquoted, or null; one
  /// pass over `s` (RFC 9110, section 5.6.6).
  private static @Nullable String parameter(String s, int at, String name) {
    String found = null;
    int i = at;
    while (i < s.length()) {
      int start = ++i;
      while (i < s.length() && s.charAt(i) != '=' && s.charAt(i) != ';') {
        i++;
      }
      String key = s.substring(start, i).strip().toLowerCase(Locale.ROOT);
      StringBuilder value = new StringBuilder();
      boolean quoted = false;
      for (i = i < s.length() && s.charAt(i) == '=' ? i + 1 : i; i < s.length(); i++) {
        char c = s.charAt(i);
        if (c == '"') {
          quoted = !quoted;
        } else if (quoted && c == '\\' && i + 1 < s.length()) {
          value.append(s.charAt(++i));
        } else if (!quoted && c == ';') {
          break;
        } else if (quoted || c > ' ') {
          value.append(c);
        }
      }
      if (key.equals(name)) {
        found = value.toString();
      }
    }
    return found;
  }
}
