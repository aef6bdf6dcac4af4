package org.infinilm.svc.history;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterOutputStream;

/// JSON in few bytes (RFC 1950). Stateless.
final class Packed {
  private Packed() {}

  static byte[] pack(byte[] json) {
    Deflater fast = new Deflater(Deflater.BEST_SPEED);
    ByteArrayOutputStream out = new ByteArrayOutputStream(512);
    try (DeflaterOutputStream to = new DeflaterOutputStream(out, fast)) {
      to.write(json);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      fast.end();
    }
    return out.toByteArray();
  }

  static byte[] unpack(byte[] packed) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream(2048);
    try (InflaterOutputStream to = new InflaterOutputStream(out)) {
      to.write(packed);
    }
    return out.toByteArray();
  }
}
