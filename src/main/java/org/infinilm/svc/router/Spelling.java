package org.infinilm.svc.router;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;

/// What a server behind us may take a path for: with escapes undone once, without dot segments,
/// empty ones and what stands behind a semicolon (RFC 3986, sections 5.2.4 and 6.2.2). Paths go on
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
    return "/" + String.join("/", out);
  }

  /// A path whose escapes are none stays as it is.
  static String unescaped(String path) {
    try {
      return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException noEscape) {
      return path;
    }
  }
}
