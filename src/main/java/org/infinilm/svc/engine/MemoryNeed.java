package org.infinilm.svc.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;

/// What a model and its cache take, in bytes.
///
/// @param kept upper bound of what finished sequences leave for later prompts
/// @param compute upper bound of the buffers of one step
record MemoryNeed(long weights, long cache, long kept, long compute) {
  private static final int FLOAT_BYTES = 4;
  private static final int HALF_BYTES = 2;

  static MemoryNeed of(Llama.Shape shape, Llama.Layout layout, int keptTokens, int vocabulary) {
    long value = layout.halfCache() ? HALF_BYTES : FLOAT_BYTES;
    long cells = layout.cells();
    long step = layout.microBatchTokens();
    // Attention scores of one layer exist whole unless flash attention folds them; the mask does.
    long scores = layout.flashAttention() ? 0 : cells * shape.heads();
    long token = 2L * shape.keyWidth() * shape.layers() * value;
    return new MemoryNeed(
        shape.weightBytes(),
        cells * token,
        keptTokens * token,
        step * FLOAT_BYTES * (scores + cells + vocabulary + 16L * shape.width()));
  }

  /// With a second context of the same model beside it.
  MemoryNeed and(MemoryNeed second) {
    return new MemoryNeed(
        weights, cache + second.cache, kept + second.kept, compute + second.compute);
  }

  long total() {
    return weights + cache + kept + compute;
  }

  /// What the system says it can give, where it says so (Linux).
  static OptionalLong available() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
        if (line.startsWith("MemAvailable:")) {
          long kib = Long.parseLong(line.replaceAll("[^0-9]", ""));
          return OptionalLong.of(Math.min(kib << 10, limit()));
        }
      }
    } catch (IOException | NumberFormatException e) {
      return OptionalLong.empty();
    }
    return OptionalLong.empty();
  }

  /// The limit of this process's control group (version 2), or none.
  private static long limit() {
    try {
      String max = Files.readString(Path.of("/sys/fs/cgroup/memory.max")).strip();
      String now = Files.readString(Path.of("/sys/fs/cgroup/memory.current")).strip();
      return max.equals("max") ? Long.MAX_VALUE : Long.parseLong(max) - Long.parseLong(now);
    } catch (IOException | NumberFormatException e) {
      return Long.MAX_VALUE;
    }
  }

  static String megabytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
  }

  @Override
  public String toString() {
    return "weights "
        + megabytes(weights)
        + ", cache "
        + megabytes(cache)
        + ", kept prefixes at most "
        + megabytes(kept)
        + ", compute at most "
        + megabytes(compute);
  }
}
