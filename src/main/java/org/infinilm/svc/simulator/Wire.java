package org.infinilm.svc.simulator;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response.BodySink;

/// Where the pieces of a streamed answer go, with the framing that they need there.
interface Wire {
  void send(byte[] piece) throws IOException, InterruptedException;

  /// The answer is complete.
  default void finish() throws IOException, InterruptedException {}

  /// Bytes of one drop of [#dripping].
  int DROP_BYTES = 4;

  /// The sink's own framing, or none on a raw one.
  static Wire through(BodySink sink) {
    return sink::write;
  }

  /// Chunked framing by hand, on a raw sink.
  static Wire chunked(BodySink sink) {
    return new Wire() {
      @Override
      public void send(byte[] piece) throws IOException, InterruptedException {
        if (piece.length > 0) {
          ByteArrayOutputStream out = new ByteArrayOutputStream();
          out.writeBytes(ascii(Integer.toHexString(piece.length) + "\r\n"));
          out.writeBytes(piece);
          out.writeBytes(ascii("\r\n"));
          sink.write(out.toByteArray());
        }
      }

      @Override
      public void finish() throws IOException, InterruptedException {
        sink.write(ascii("0\r\n\r\n"));
      }
    };
  }

  /// The same, a few bytes at a time.
  default Wire dripping(Duration pause) {
    Wire through = this;
    return new Wire() {
      @Override
      public void send(byte[] piece) throws IOException, InterruptedException {
        for (int i = 0; i < piece.length; i += DROP_BYTES) {
          Thread.sleep(pause);
          through.send(Arrays.copyOfRange(piece, i, Math.min(piece.length, i + DROP_BYTES)));
        }
      }

      @Override
      public void finish() throws IOException, InterruptedException {
        through.finish();
      }
    };
  }

  /// An answer's head as bytes, for raw answers.
  static byte[] head(int status, Headers headers) {
    StringBuilder s = new StringBuilder("HTTP/1.1 " + status + " Simulated\r\n");
    for (Header h : headers.fields()) {
      s.append(h.name()).append(": ").append(h.value()).append("\r\n");
    }
    return ascii(s.append("\r\n").toString());
  }

  /// An informational answer (RFC 9110 section 15.2).
  static byte[] informational(int status) {
    return head(status, Headers.of("x-simulated", "1"));
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }
}
