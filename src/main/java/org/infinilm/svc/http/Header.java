package org.infinilm.svc.http;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/// One header field as sent; names compare without case.
public record Header(String name, String value) {
  /// A name as a field value carries it: what is no visible ASCII goes as the percent-encoded bytes
  /// of its UTF-8 (the value characters of RFC 8187 section 3.2.1), and so does the percent sign,
  /// so that two names never look the same.
  public static String encode(String name) {
    for (int k = 0; k < name.length(); k++) {
      if (!plain(name.charAt(k))) {
        return encoded(name);
      }
    }
    return name;
  }

  private static boolean plain(int c) {
    return c >= ' ' && c <= '~' && c != '%';
  }

  private static String encoded(String name) {
    StringBuilder out = new StringBuilder();
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      if (plain(b)) {
        out.append((char) b);
      } else {
        out.append('%').append(HexFormat.of().withUpperCase().toHexDigits(b));
      }
    }
    return out.toString();
  }

  /// What [#encode] was given; anything that it does not write stays as it is.
  public static String decode(String value) {
    if (value.indexOf('%') < 0) {
      return value;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] in = value.getBytes(StandardCharsets.ISO_8859_1);
    for (int k = 0; k < in.length; k++) {
      if (in[k] == '%' && k + 2 < in.length && isHex(in[k + 1]) && isHex(in[k + 2])) {
        out.write(HexFormat.fromHexDigits(value, k + 1, k + 3));
        k += 2;
      } else {
        out.write(in[k]);
      }
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  private static boolean isHex(byte b) {
    return HexFormat.isHexDigit(b);
  }
}
