package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.US_ASCII;

/// Words of the protocol as bytes. Stateless.
final class Ascii {
  private static final byte[] HEX = of("0123456789abcdef");

  private Ascii() {}

  static byte[] of(String text) {
    return text.getBytes(US_ASCII);
  }

  /// A small number's digit to base 16.
  static byte hex(int digit) {
    return HEX[digit & 15];
  }
}
