package org.infinilm.svc.history;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.HdrHistogram.Histogram;

/// Durations by how often, to within 1 %, of which parts can be put together. Up to an hour. For
/// one thread.
final class Spread {
  private static final long MOST_MICROS = 3_600_000_000L;

  private final Histogram micros;

  Spread() {
    this(new Histogram(1, MOST_MICROS, 2));
  }

  private Spread(Histogram micros) {
    this.micros = micros;
  }

  /// @throws IllegalArgumentException when the bytes are not what [#bytes] gave
  static Spread of(byte[] bytes) {
    try {
      return new Spread(Histogram.decodeFromByteBuffer(ByteBuffer.wrap(bytes), 1));
    } catch (RuntimeException e) {
      throw new IllegalArgumentException("not a spread of durations: " + e.getMessage(), e);
    }
  }

  void add(long nanos) {
    micros.recordValue(Math.clamp(nanos / 1000, 1, MOST_MICROS));
  }

  void add(Spread other) {
    micros.add(other.micros);
  }

  /// The duration below which a part of all lies, in seconds.
  double seconds(double part) {
    return micros.getValueAtPercentile(part * 100) / 1e6;
  }

  byte[] bytes() {
    ByteBuffer b = ByteBuffer.allocate(micros.getNeededByteBufferCapacity());
    int n = micros.encodeIntoByteBuffer(b);
    return Arrays.copyOf(b.array(), n);
  }
}
