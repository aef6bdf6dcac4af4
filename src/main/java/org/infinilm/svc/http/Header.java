package org.infinilm.svc.http;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/// One header field as sent; names compare without case. Immutable.
public final class Header {
  private final String name;
  private final String value;

  /// The field as it is sent, or null when it is worded each time.
  private final byte @Nullable [] line;

  public Header(String name, String value) {
    this(name, value, null);
  }

  private Header(String name, String value, byte @Nullable [] line) {
    this.name = name;
    this.value = value;
    this.line = line;
  }

  /// One that is sent again and again.
  public static Header prepared(String name, String value) {
    HeadWriter words = new HeadWriter();
    words.field(name, value);
    return new Header(name, value, words.taken());
  }

  public String name() {
    return name;
  }

  public String value() {
    return value;
  }

  byte @Nullable [] line() {
    return line;
  }

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

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof Header h && h.name.equals(name) && h.value.equals(value);
  }

  @Override
  public int hashCode() {
    return 31 * name.hashCode() + value.hashCode();
  }

  @Override
  public String toString() {
    return "Header[name=" + name + ", value=" + value + "]";
  }
}
