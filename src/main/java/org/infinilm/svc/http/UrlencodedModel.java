package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Store;
import org.infinilm.svc.http.ModelRewrite.Range;
import org.jspecify.annotations.Nullable;

/// Finds the field `model` in an application/x-www-form-urlencoded body, in pieces of any size.
/// Some readers end a field at a semicolon as well: where that makes a difference to it, it is a
/// problem. Not thread-safe.
final class UrlencodedModel implements BodyPeek.Sink {
  static final String TYPE = "application/x-www-form-urlencoded";
  private static final String MODEL = "model";
  private static final int MOST_VALUE_BYTES = 8 << 10;

  /// `model`, each character in three.
  private static final int MOST_NAME_BYTES = 15;

  private final ByteArrayOutputStream name = new ByteArrayOutputStream(MOST_NAME_BYTES);
  private final ByteArrayOutputStream value = new ByteArrayOutputStream();
  private final List<Range> values = new ArrayList<>(1);
  private int times;
  private boolean inValue;
  private boolean isModel;
  private boolean nameTooLong;
  private boolean valueTooLong;

  /// Whether a semicolon stands within what ampersands part.
  private boolean split;

  private boolean given;
  private @Nullable String model;
  private @Nullable String problem;
  private int position;
  private int valueFrom;

  /// Whether a content type is that of such a body.
  static boolean is(@Nullable String contentType) {
    if (contentType == null) {
      return false;
    }
    int end = contentType.indexOf(';');
    String type = end < 0 ? contentType : contentType.substring(0, end);
    return type.strip().equalsIgnoreCase(TYPE);
  }

  @Override
  public void feed(byte[] b, int from, int to) {
    for (int i = from; i < to; i++, position++) {
      byte c = b[i];
      if (c == '&' || c == ';') {
        split |= c == ';';
        fieldEnds();
        if (c == '&') {
          split = false;
        }
      } else if (!inValue && c == '=') {
        inValue = true;
        isModel = !nameTooLong && decoded(name).equals(MODEL);
        valueFrom = position + 1;
      } else if (!inValue) {
        nameTooLong |= name.size() == MOST_NAME_BYTES;
        if (!nameTooLong) {
          name.write(c);
        }
      } else if (isModel) {
        valueTooLong |= value.size() == MOST_VALUE_BYTES;
        if (!valueTooLong) {
          value.write(c);
        }
      }
    }
  }

  @Override
  public boolean wantsMore() {
    return true;
  }

  private void fieldEnds() {
    if (isModel || (!inValue && !nameTooLong && decoded(name).equals(MODEL))) {
      modelIs(inValue ? decoded(value) : "");
    }
    name.reset();
    value.reset();
    inValue = false;
    isModel = false;
    nameTooLong = false;
    valueTooLong = false;
  }

  private void modelIs(String m) {
    String before = model == null ? "" : model;
    if (split) {
      problem = "model: beside a semicolon (expected: fields parted by &)";
    } else if (valueTooLong) {
      problem = "model: longer than " + MOST_VALUE_BYTES + " bytes (expected: a model's name)";
    } else if (given && !m.equals(before)) {
      problem = "model: given twice, \"%s\" and \"%s\" (expected: once)".formatted(before, m);
    }
    given = true;
    if (++times > ModelSpots.MOST) {
      problem = ModelSpots.TOO_OFTEN;
    } else if (!m.isEmpty()) {
      model = m;
      values.add(new Range(valueFrom, position));
    }
  }

  /// Where the values of `model` stand, from the first byte that was fed; after the last one.
  List<Range> values() {
    fieldEnds();
    return List.copyOf(values);
  }

  @Override
  public Peeked peeked(long bytes) {
    fieldEnds();
    return new Peeked(
        bytes == 0 ? Form.EMPTY : Form.URLENCODED,
        problem == null ? model : null,
        problem,
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

  private static String decoded(ByteArrayOutputStream b) {
    return decoded(b.toString(UTF_8));
  }

  /// With a blank for each plus and `%xx` undone; what is no such sequence stays.
  static String decoded(String s) {
    if (s.indexOf('%') < 0 && s.indexOf('+') < 0) {
      return s;
    }
    byte[] in = s.getBytes(UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream(in.length);
    for (int i = 0; i < in.length; i++) {
      int hi = in[i] == '%' && i + 2 < in.length ? Character.digit(in[i + 1], 16) : -1;
      int lo = hi < 0 ? -1 : Character.digit(in[i + 2], 16);
      if (lo >= 0) {
        out.write(hi << 4 | lo);
        i += 2;
      } else {
        out.write(in[i] == '+' ? ' ' : in[i]);
      }
    }
    return out.toString(UTF_8);
  }

  /// Such a body that may be JSON as well, sent by a client that says nothing of its type (curl's
  /// -d): read both ways, which have to agree where it is.
  static final class OrJson implements BodyPeek.Sink {
    private final UrlencodedModel form = new UrlencodedModel();
    private final JsonPeek json;

    OrJson(JsonPeek json) {
      this.json = json;
    }

    @Override
    public void feed(byte[] b, int from, int to) {
      form.feed(b, from, to);
      if (json.wantsMore()) {
        json.feed(b, from, to);
      }
    }

    @Override
    public boolean wantsMore() {
      return true;
    }

    @Override
    public Peeked peeked(long bytes) {
      Peeked f = form.peeked(bytes);
      Peeked j = json.peeked(bytes);
      boolean object = j.form() == Form.OBJECT || j.form() == Form.BROKEN;
      if (!object) {
        return f;
      }
      boolean agree = f.modelProblem() == null && f.model() == null;
      return agree
          ? j
          : Peeked.of(Form.OBJECT, bytes, null)
              .with("model: in an object and in a form (expected: content-type: application/json)");
    }
  }
}
