package org.infinilm.svc.history;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.zip.Deflater;
import java.util.zip.InflaterOutputStream;

/// JSON in few bytes (RFC 1950). Its memory, some hundred kilobytes outside the heap, is made once
/// and cleared for each text. For one thread.
final class Packed implements AutoCloseable {
  private final Deflater fast = new Deflater(Deflater.BEST_SPEED);
  private final ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
  private final byte[] piece = new byte[1024];

  byte[] pack(byte[] json) {
    out.reset();
    fast.reset();
    fast.setInput(json);
    fast.finish();
    while (!fast.finished()) {
      out.write(piece, 0, fast.deflate(piece));
    }
    return out.toByteArray();
  }

  static byte[] unpack(byte[] packed) throws IOException {
    ByteArrayOutputStream plain = new ByteArrayOutputStream(2048);
    try (InflaterOutputStream to = new InflaterOutputStream(plain)) {
      to.write(packed);
    }
    return plain.toByteArray();
  }

  @Override
  public void close() {
    fast.end();
  }
}
