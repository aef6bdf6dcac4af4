package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import io.netty.util.ByteProcessor;

/// Watches an answer pass: bytes, SSE events, and the last 2 KiB, where `usage` stands. Event-loop
/// confined.
final class ResponseTap implements ByteProcessor {
  static final int TAIL_BYTES = 2048;

  private final byte[] tail = new byte[TAIL_BYTES];
  private int tailAt;
  private long bytes;
  private int events;
  private boolean afterNewline = true;

  void slice(ByteBuf b, boolean sse) {
    int n = b.readableBytes();
    bytes += n;
    int from = b.writerIndex() - Math.min(n, TAIL_BYTES);
    for (int left = b.writerIndex() - from; left > 0; ) {
      int run = Math.min(left, TAIL_BYTES - tailAt);
      b.getBytes(from, tail, tailAt, run);
      tailAt = (tailAt + run) & (TAIL_BYTES - 1);
      from += run;
      left -= run;
    }
    if (sse) {
      b.forEachByte(this);
    }
  }

  @Override
  public boolean process(byte value) {
    if (value == '\n') {
      if (afterNewline) {
        events++;
      }
      afterNewline = true;
    } else {
      afterNewline = false;
    }
    return true;
  }

  long bytes() {
    return bytes;
  }

  int events() {
    return events;
  }

  /// Whether the last event is complete.
  boolean betweenEvents() {
    return bytes == 0 || (bytes >= 2 && at(1) == '\n' && at(2) == '\n');
  }

  private byte at(int fromEnd) {
    return tail[(tailAt - fromEnd) & (TAIL_BYTES - 1)];
  }

  /// The last bytes of the answer, at most [#TAIL_BYTES].
  byte[] tail() {
    int n = (int) Math.min(bytes, TAIL_BYTES);
    byte[] out = new byte[n];
    for (int k = 0; k < n; k++) {
      out[k] = at(n - k);
    }
    return out;
  }
}
