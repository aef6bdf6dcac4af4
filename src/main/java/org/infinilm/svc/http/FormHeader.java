package org.infinilm.svc.http;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A Content-Type or Content-Disposition of a form, as far as all readers take it apart alike: a
/// type and parameters `; name=value` or `; name="value"`, each name once, with neither backslashes
/// nor blanks around the equals sign. Immutable.
/*
 * Form parsers differ in what they make of everything else: the last of two parameters or the first, RFC 2231's
 * `name*=` decoded or ignored, a quoted pair undone or not, parts of another disposition than form-data taken or
 * left (python-multipart does, Go's mime/multipart does not). A router that chose one of these readings would send
 * to a server what the server reads otherwise.
 */
record FormHeader(String type, Map<String, String> parameters) {
  private static final Set<String> CHARSETS =
      Set.of("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1");
  private static final String NAME = "name";
  private static final String MODEL = "model";

  /// Whether a part is the field `model`.
  enum Part {
    OTHER,
    MODEL,
    /// To some readers it is, to others not.
    UNCLEAR
  }

  /// Null where readers differ.
  static @Nullable FormHeader of(String s) {
    int n = s.length();
    int i = s.indexOf(';');
    i = i < 0 ? n : i;
    String type = s.substring(0, i).strip().toLowerCase(Locale.ROOT);
    Map<String, String> all = new HashMap<>();
    while (i < n) {
      i = blanks(s, i + 1);
      int from = i;
      while (i < n && isPlain(s.charAt(i)) && s.charAt(i) != '=') {
        i++;
      }
      if (i == n && from == n) {
        break;
      }
      if (i == from || i == n || s.charAt(i) != '=') {
        return null;
      }
      String name = s.substring(from, i).toLowerCase(Locale.ROOT);
      from = ++i;
      boolean quoted = i < n && s.charAt(i) == '"';
      if (quoted) {
        from++;
        i = s.indexOf('"', from);
      } else {
        while (i < n && isPlain(s.charAt(i))) {
          i++;
        }
      }
      if (i < 0 || (!quoted && i == from)) {
        return null;
      }
      String value = s.substring(from, i);
      if (value.indexOf('\\') >= 0 || all.put(name, value) != null) {
        return null;
      }
      i = blanks(s, quoted ? i + 1 : i);
      if (i < n && s.charAt(i) != ';') {
        return null;
      }
    }
    return new FormHeader(type, all);
  }

  private static int blanks(String s, int from) {
    int i = from;
    while (i < s.length() && (s.charAt(i) == ' ' || s.charAt(i) == '\t')) {
      i++;
    }
    return i;
  }

  private static boolean isPlain(char c) {
    return c > ' ' && c < 127 && c != ';' && c != '"' && c != '\\';
  }

  /// What a part is by its Content-Disposition.
  static Part part(String disposition) {
    FormHeader h = of(disposition);
    if (h == null || !h.type.equals("form-data")) {
      return mayName(disposition) ? Part.UNCLEAR : Part.OTHER;
    }
    for (Map.Entry<String, String> p : h.parameters.entrySet()) {
      String of = p.getKey();
      if (of.startsWith(NAME + "*")
          && (!of.equals(NAME + "*")
              || bare(UrlencodedModel.decoded(p.getValue())).contains(MODEL))) {
        return Part.UNCLEAR;
      }
    }
    if (!MODEL.equals(h.parameters.get(NAME))) {
      return Part.OTHER;
    }
    return h.parameters.keySet().stream().anyMatch(k -> k.startsWith("filename"))
        ? Part.UNCLEAR
        : Part.MODEL;
  }

  /// Whether some reader may find the name `model` in it.
  static boolean mayName(String text) {
    String bare = ";" + bare(text);
    return bare.contains(";name=model") || bare.contains(";name*");
  }

  /// Without what a reader may leave out: quotes, backslashes, blanks, all beyond ASCII.
  private static String bare(String s) {
    StringBuilder b = new StringBuilder(s.length());
    for (int k = 0; k < s.length(); k++) {
      char c = s.charAt(k);
      if (c > ' ' && c < 127 && c != '"' && c != '\'' && c != '\\') {
        b.append(Character.toLowerCase(c));
      }
    }
    return b.toString();
  }

  /// Why a multipart/form-data Content-Type is read in two ways, or null: its boundary, or a
  /// charset in which names and values are others.
  static @Nullable String problem(String contentType) {
    FormHeader h = of(contentType);
    if (h == null || h.parameters.keySet().stream().anyMatch(k -> k.startsWith("boundary*"))) {
      return "model: content-type reads in two ways (expected: multipart/form-data; boundary=B)";
    }
    String charset = h.parameters.getOrDefault("charset", "utf-8");
    return CHARSETS.contains(charset.toLowerCase(Locale.ROOT))
        ? null
        : "model: in a form of another charset (expected: utf-8)";
  }
}
