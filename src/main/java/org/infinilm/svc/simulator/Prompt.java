package org.infinilm.svc.simulator;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.LongStream;

/// A prompt as the engine sees it: its length and a chained hash of each full block of tokens, so
/// that equal hashes at the same place mean equal text from the start to there. Holds no text.
///
/// @param tokens at least 1
/// @param blockTokens tokens a block
/// @param chain one hash a full block
record Prompt(int tokens, int blockTokens, List<Long> chain) {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  Prompt {
    chain = List.copyOf(chain);
  }

  /// A prompt of `text`, estimated at `bytesPerToken`.
  ///
  /// @param salt keeps prompts of different models apart
  static Prompt of(byte[] text, double bytesPerToken, int blockTokens, long salt) {
    int tokens = (int) Math.max(1, Math.ceil(text.length / bytesPerToken));
    int blocks = tokens / blockTokens;
    double blockBytes = blockTokens * bytesPerToken;
    LongStream.Builder chain = LongStream.builder();
    long hash = salt;
    int from = 0;
    for (int i = 1; i <= blocks; i++) {
      int to = (int) Math.min(text.length, Math.round(i * blockBytes));
      hash = hash(text, from, to, hash);
      chain.add(hash);
      from = to;
    }
    return new Prompt(tokens, blockTokens, chain.build().boxed().toList());
  }

  /// Tokens of the common prefix with `other`, whole blocks, leaving at least one to compute.
  int sharedTokens(Prompt other) {
    int most = Math.min(reusableBlocks(), other.chain.size());
    int n = 0;
    while (n < most && chain.get(n).equals(other.chain.get(n))) {
      n++;
    }
    return n * blockTokens;
  }

  /// Full blocks that may come from a cache: one token at least is always computed.
  int reusableBlocks() {
    return Math.min(chain.size(), (tokens - 1) / blockTokens);
  }

  private static long hash(byte[] text, int from, int to, long seed) {
    long h = seed ^ 0x9E3779B97F4A7C15L;
    int i = from;
    for (; i + 8 <= to; i += 8) {
      h = Seeds.mix(h ^ (long) LONGS.get(text, i));
    }
    for (; i < to; i++) {
      h = Seeds.mix(h ^ (text[i] & 0xffL));
    }
    return Seeds.mix(h + (to - from));
  }
}
