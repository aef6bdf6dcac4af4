package org.infinilm.svc.http;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One request to a control-plane [Server], body complete.
///
/// @param path the target without its query, as sent
/// @param rawQuery the query without `?`, or null
/// @param peer numeric address of the client
/// @param http10 whether it came in HTTP/1.0
/// @param gone runs callbacks when the client goes away before the answer is complete
public record Request(
    String method,
    String path,
    @Nullable String rawQuery,
    Headers headers,
    byte[] body,
    String peer,
    boolean http10,
    Gone gone) {

  /// One in HTTP/1.1.
  public Request(
      String method,
      String path,
      @Nullable String rawQuery,
      Headers headers,
      byte[] body,
      String peer,
      Gone gone) {
    this(method, path, rawQuery, headers, body, peer, false, gone);
  }

  /// Tells a handler that its client went away.
  public interface Gone {
    /// Runs `callback` once when the connection closes before the response ends (at once if it
    /// already has). It runs on an event loop and must not block.
    void onGone(Runnable callback);

    boolean isGone();
  }

  /// All values of a query parameter, decoded, in order; bad percent-encoding is kept as sent.
  public List<String> query(String name) {
    List<String> out = new ArrayList<>();
    if (rawQuery != null) {
      for (String pair : rawQuery.split("&", -1)) {
        int eq = pair.indexOf('=');
        String k = eq < 0 ? pair : pair.substring(0, eq);
        if (decode(k).equals(name)) {
          out.add(eq < 0 ? "" : decode(pair.substring(eq + 1)));
        }
      }
    }
    return out;
  }

  public String bodyText() {
    return new String(body, StandardCharsets.UTF_8);
  }

  private static String decode(String s) {
    return unescape(s.replace('+', ' '));
  }

  /// Percent-decoded as UTF-8. What is no escape (`50%`, `%zz`) stays as it was sent, and `+` does.
  public static String unescape(String s) {
    int percent = s.indexOf('%');
    if (percent < 0) {
      return s;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream(s.length());
    int from = 0;
    for (; percent >= 0; percent = s.indexOf('%', percent + 1)) {
      int high = digit(s, percent + 1);
      int low = digit(s, percent + 2);
      if (high >= 0 && low >= 0) {
        out.writeBytes(s.substring(from, percent).getBytes(StandardCharsets.UTF_8));
        out.write(high << 4 | low);
        from = percent + 3;
      }
    }
    out.writeBytes(s.substring(from).getBytes(StandardCharsets.UTF_8));
    return out.toString(StandardCharsets.UTF_8);
  }

  private static int digit(String s, int at) {
    return at < s.length() ? Character.digit(s.charAt(at), 16) : -1;
  }
}
