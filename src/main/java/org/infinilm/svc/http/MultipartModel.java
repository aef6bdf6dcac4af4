package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Store;
import org.infinilm.svc.http.FormHeader.Part;
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

  private static final String UNCLEAR =
      "model: in a part whose Content-Disposition is read in two ways (expected: form-data; name=\"model\")";

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

  /// Whether no delimiter has come yet; then also whether anything but line ends has, and how many
  /// such bytes may be the first delimiter's own.
  private boolean opens = true;

  private boolean preamble;
  private int begun;
  private final int own;

  private int behindBytes;
  private byte behind;
  private byte[] line = new byte[128];
  private int lineBytes;
  private @Nullable Part part;
  private boolean inModel;
  private boolean tooLong;
  private boolean modelGiven;
  private @Nullable String model;
  private @Nullable String modelProblem;
  private int position;
  private int valueFrom;
  private final List<Range> values = new ArrayList<>(1);
  private int modelTimes;

  MultipartModel(byte[] boundary) {
    this(boundary, null);
  }

  /// @param problem with its content type, or null
  MultipartModel(byte[] boundary, @Nullable String problem) {
    modelProblem = problem;
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
    int others = 0;
    for (byte c : delimiter) {
      others += isLineEnd(c) ? 0 : 1;
    }
    own = others;
  }

  private static boolean isLineEnd(byte c) {
    return c == '\r' || c == '\n';
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
        bytes == 0 ? Form.EMPTY : opens ? Form.OTHER : Form.MULTIPART,
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
          preamble |= opens && b[i] != '\n';
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
    begun += opens && !isLineEnd(c) ? 1 : 0;
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
      delimited();
      state = State.HEADER;
      lineBytes = 0;
      tooLong = false;
      part = null;
    } else if (behind == '-' && c == '-') {
      delimited();
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
      preamble |= opens;
      state = inModel ? State.VALUE : State.DATA;
      data(c);
    }
  }

  /// What stands before the first delimiter is passed over by some readers and refused by others,
  /// who may find the first delimiter elsewhere.
  private void delimited() {
    if (opens && (preamble || begun > own)) {
      modelProblem = "model: text before the form's first boundary (expected: none)";
    }
    opens = false;
    valueEnds();
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
    if (++modelTimes > ModelSpots.MOST) {
      modelProblem = ModelSpots.TOO_OFTEN;
    } else if (!m.isEmpty()) {
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
      state = part == Part.MODEL ? State.VALUE : State.DATA;
      if (part == Part.UNCLEAR) {
        modelProblem = UNCLEAR;
      }
      valueFrom = position;
      return;
    }
    disposition(new String(line, 0, end, UTF_8), tooLong);
    tooLong = false;
  }

  /// Of several Content-Disposition fields of a part some readers take the first one and some the
  /// last; some join a line that begins with a blank to the one before.
  private void disposition(String field, boolean cut) {
    int colon = field.indexOf(':');
    boolean folded = field.charAt(0) == ' ' || field.charAt(0) == '\t';
    String name = colon < 0 ? "" : field.substring(0, colon);
    if (folded && FormHeader.mayName(field)) {
      part = Part.UNCLEAR;
    } else if (!folded && name.strip().equalsIgnoreCase("content-disposition")) {
      Part now = FormHeader.part(field.substring(colon + 1));
      boolean odd = cut || (now == Part.MODEL && !name.equals(name.strip()));
      part = odd || (part != null && part != now) ? Part.UNCLEAR : now;
    }
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
