package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.Deque;

/// What a server behind us may take a path for: with escapes undone once, without dot segments,
/// empty ones, what stands behind a semicolon (RFC 3986, sections 5.2.4 and 6.2.2) and control
/// characters at its end (`$` of regular expressions matches before a last line feed). Paths go on
/// byte for byte all the same; this tells which of them mean one of our own. Stateless.
final class Spelling {
  private Spelling() {}

  /// Whether a path may mean another than it says.
  static boolean isOdd(String path) {
    int last = path.length() - 1;
    for (int k = 0; k <= last; k++) {
      char c = path.charAt(k);
      if (c == '%' || c == ';' || c == '\\') {
        return true;
      }
      if (c == '/' && k > 0 && (k == last || isNothing(path.charAt(k + 1)))) {
        return true;
      }
    }
    return last > 0 && path.charAt(0) == '/' && isNothing(path.charAt(1));
  }

  private static boolean isNothing(char behindSlash) {
    return behindSlash == '/' || behindSlash == '.';
  }

  static String meant(String path) {
    Deque<String> out = new ArrayDeque<>();
    for (String part : unescaped(path).replace('\\', '/').split("/")) {
      String name = part.substring(0, part.indexOf(';') < 0 ? part.length() : part.indexOf(';'));
      if (name.equals("..")) {
        out.pollLast();
      } else if (!name.isEmpty() && !name.equals(".")) {
        out.add(name);
      }
    }
    String whole = "/" + String.join("/", out);
    int end = whole.length();
    while (end > 1 && whole.charAt(end - 1) <= ' ') {
      end--;
    }
    return whole.substring(0, end);
  }

  /// With each escape undone that is one, as UTF-8.
  static String unescaped(String path) {
    if (path.indexOf('%') < 0) {
      return path;
    }
    byte[] from = path.getBytes(UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream(from.length);
    for (int k = 0; k < from.length; k++) {
      int high = k + 2 < from.length && from[k] == '%' ? Character.digit(from[k + 1], 16) : -1;
      int low = high < 0 ? -1 : Character.digit(from[k + 2], 16);
      out.write(low < 0 ? from[k] : high << 4 | low);
      k += low < 0 ? 0 : 2;
    }
    return out.toString(UTF_8);
  }
}
