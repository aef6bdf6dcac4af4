package org.infinilm.svc.config;

/// Keys and tokens that go into an Authorization field. Messages name the place, never the value.
public final class Secrets {
  private Secrets() {}

  /// A key as it can be sent: without the line break that files and mounted secrets end with.
  ///
  /// @param place where it was given, for errors
  /// @throws ConfigException when it is empty or has a character that no field may have
  public static String key(String value, String place) throws ConfigException {
    int end = value.length();
    while (end > 0 && (value.charAt(end - 1) == '\n' || value.charAt(end - 1) == '\r')) {
      end--;
    }
    if (end == 0) {
      throw new ConfigException(place + ": empty (expected: a key)");
    }
    for (int k = 0; k < end; k++) {
      char c = value.charAt(k);
      if (c <= ' ' || c > '~') {
        throw new ConfigException(
            place
                + ": "
                + (c == ' '
                    ? "a blank"
                    : c < ' ' || c == 127 ? "a control character" : "a character beyond ASCII")
                + " at position "
                + (k + 1)
                + " (expected: a key of visible ASCII characters)");
      }
    }
    return value.substring(0, end);
  }
}
