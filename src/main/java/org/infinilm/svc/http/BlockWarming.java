package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.infinilm.svc.http.BodyPeek.Look;
import org.jspecify.annotations.Nullable;

/// Finds out when reading by blocks is faster than by words: vectors are slow until the JVM has
/// compiled them. One thread of its own, of the lowest priority, with a bound on its time, from
/// when enough has been read that it may pay. Thread-safe.
final class BlockWarming {
  /// Read by words before it begins: an idle program spends nothing.
  static final long FIRST_BYTES = 1 << 20;

  static final long MOST_BUSY_NANOS = 5_000_000_000L;
  private static final int MOST_ROUNDS = 1000;
  private static final long PAUSE_MILLIS = 20;
  private static final int FIRST_CALLS = 300;
  private static final int CALLS = 100;
  private static final int LEAST_PRACTICE_BYTES = 1024;
  private static final int TRIES = 5;

  /// A first try that takes so many times longer is not repeated.
  private static final int HOPELESS = 4;

  /// Mostly what most bodies are, and some of everything that the sets tell apart: what is frequent
  /// here is compiled to be fast, and what never comes not at all.
  private static final byte[] SAMPLE =
      ("{\"messages\":["
              + ("{\"role\":\"user\",\"content\":\"The lazy dog says: \\\"hello\\\".\\n\\t12 * 12 = 144; and some"
                      + " more words that are neither short nor long, as people write them in a chat.\"},")
                  .repeat(50)
              + "{\"role\":\"user\",\"content\":\"\\u00e4\\u4eca\\ud83d\\ude00\\u0041\\/ 今天天气很好 é 😀 한국어 हिन्दी\"},"
                  .repeat(2)
              + "{}],\"model\":\"m\"}")
          .getBytes(UTF_8);

  /// Not well formed.
  private static final byte[] WRONG =
      "an end \\ and \\u12 and bytes that are none of UTF-8's: \u00e4\u00ff\u0001"
          .repeat(40)
          .getBytes(ISO_8859_1);

  private final LongSupplier nanos;
  private final AtomicReference<@Nullable Thread> thread = new AtomicReference<>();
  private long bytes;

  BlockWarming(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /// So many bytes are being read by words. Threads may overlook each other's.
  void seen(int n) {
    bytes += n;
    if (bytes <= FIRST_BYTES || hasStarted()) {
      return;
    }
    Thread t =
        Thread.ofPlatform()
            .daemon()
            .priority(Thread.MIN_PRIORITY)
            .name("body-blocks")
            .unstarted(this::run);
    if (thread.compareAndSet(null, t)) {
      t.start();
    }
  }

  boolean hasStarted() {
    return thread.get() != null;
  }

  /// Whether it has been found out, or given up.
  boolean isOver() {
    Thread t = thread.get();
    return t != null && t.getState() == Thread.State.TERMINATED;
  }

  private void run() {
    if (!Blocks.possible()) {
      return;
    }
    long busy = 0;
    try {
      for (int k = 0; k < MOST_ROUNDS && busy < MOST_BUSY_NANOS; k++) {
        long from = nanos.getAsLong();
        practise(k == 0);
        boolean faster = isFaster(false) && isFaster(true);
        busy += nanos.getAsLong() - from;
        if (faster) {
          Blocks.fast = true;
          return;
        }
        Thread.sleep(PAUSE_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// The first round is of short pieces, since nothing is compiled yet; those after it are long, so
  /// that the compiler makes of its loop one that is for many blocks.
  private static void practise(boolean first) {
    Blocks out = new Blocks();
    for (int k = 0; k < (first ? FIRST_CALLS : CALLS); k++) {
      byte[] b = k % 20 == 0 ? WRONG : SAMPLE;
      int n = first ? Blocks.BLOCK_BYTES : LEAST_PRACTICE_BYTES + k % (Blocks.BLOCK_BYTES + 1);
      BlockVectors.mark(b, k * 37 % (b.length - n), n, k % 3 == 0, k % 2 == 0, out);
    }
  }

  private boolean isFaster(boolean kinds) {
    long words = least(kinds, Blocks.By.WORDS, Long.MAX_VALUE);
    return least(kinds, Blocks.By.BLOCKS, words * HOPELESS) < words;
  }

  /// The least time of a few, or of fewer when one is above `most`.
  private long least(boolean kinds, Blocks.By by, long most) {
    long least = Long.MAX_VALUE;
    for (int k = 0; k < TRIES; k++) {
      long from = nanos.getAsLong();
      JsonPeek p = new JsonPeek(Look.CHAT, kinds, by);
      p.feed(SAMPLE, 0, SAMPLE.length);
      long took = nanos.getAsLong() - from;
      least = Math.min(least, took);
      if (took > most) {
        break;
      }
    }
    return least;
  }
}
