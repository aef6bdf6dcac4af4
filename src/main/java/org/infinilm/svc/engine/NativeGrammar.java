package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// llama.cpp's grammar sampler for one answer. One thread at a time.
final class NativeGrammar implements Grammar {
  /* llama_token_data (12 bytes): int32 id, float logit, float p. llama_token_data_array (32
  bytes): pointer data 0, size_t size 8, int64 selected 16, bool sorted 24. What the sampler does
  not take gets the logit -infinity; the order stays. It must not be told of an end token or of one
  that it does not take: llama.cpp ends the process then. From a grammar that it cannot follow it
  makes a sampler that takes everything. */
  private static final int ENTRY_WORDS = 3;
  private static final int ARRAY_BYTES = 32;

  /// The functions it needs.
  record Functions(MethodHandle init, MethodHandle apply, MethodHandle accept, MethodHandle free) {
    static Functions of(NativeCalls calls) {
      return new Functions(
          calls.function("llama_sampler_init_grammar", ADDRESS, ADDRESS, ADDRESS, ADDRESS),
          calls.function("llama_sampler_apply", null, ADDRESS, ADDRESS),
          calls.function("llama_sampler_accept", null, ADDRESS, JAVA_INT),
          calls.function("llama_sampler_free", null, ADDRESS));
    }
  }

  private final Functions functions;
  private final MemorySegment sampler;
  private final PieceTree tree;
  private final boolean[] rejected;
  private final int[] words;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment array = arena.allocate(ARRAY_BYTES, 8);
  private final MemorySegment entries;
  private boolean closed;

  private NativeGrammar(Functions functions, MemorySegment sampler, PieceTree tree) {
    this.functions = functions;
    this.sampler = sampler;
    this.tree = tree;
    this.rejected = new boolean[tree.size()];
    this.words = new int[tree.size() * ENTRY_WORDS];
    this.entries = arena.allocate(JAVA_INT, words.length);
  }

  /// @param vocabulary llama.cpp's vocabulary of the tokens in `tree`
  /// @throws IllegalArgumentException when llama.cpp does not take the grammar
  static NativeGrammar of(
      Functions functions, MemorySegment vocabulary, PieceTree tree, String gbnf) {
    NativeCalls.hold();
    try (Arena call = Arena.ofConfined()) {
      MemorySegment sampler =
          (MemorySegment)
              functions
                  .init()
                  .invokeExact(vocabulary, call.allocateFrom(gbnf), call.allocateFrom("root"));
      NativeGrammar made =
          sampler.equals(MemorySegment.NULL) ? null : new NativeGrammar(functions, sampler, tree);
      if (made == null || made.takesEverything()) {
        if (made != null) {
          made.close();
        }
        throw new IllegalArgumentException("llama.cpp does not take its grammar");
      }
      return made;
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      NativeCalls.release();
    }
  }

  private boolean takesEverything() {
    for (int i = 0; i < tree.levels(); i++) {
      if (check(i) < tree.level(i).length) {
        return false;
      }
    }
    return true;
  }

  @Override
  public boolean allows(int token) {
    put(0, token, 0);
    apply(1);
    return fits(0);
  }

  @Override
  public void filter(float[] logits) {
    for (int i = 0; i < tree.levels(); i++) {
      check(i);
    }
    for (int token = 0; token < logits.length; token++) {
      if (rejected[token]) {
        logits[token] = Float.NEGATIVE_INFINITY;
      }
    }
  }

  /// Finds which tokens of a level are rejected when those above are known; how many are not.
  private int check(int level) {
    int asked = 0;
    for (int token : tree.level(level)) {
      int above = tree.above(token);
      rejected[token] = above >= 0 && rejected[above];
      if (!rejected[token]) {
        put(asked++, token, 0);
      }
    }
    if (asked > 0) {
      apply(asked);
    }
    int left = asked;
    for (int i = 0; i < asked; i++) {
      if (!fits(i)) {
        rejected[words[i * ENTRY_WORDS]] = true;
        left--;
      }
    }
    return left;
  }

  private void put(int at, int token, float logit) {
    words[at * ENTRY_WORDS] = token;
    words[at * ENTRY_WORDS + 1] = Float.floatToRawIntBits(logit);
  }

  private boolean fits(int at) {
    return Float.intBitsToFloat(words[at * ENTRY_WORDS + 1]) != Float.NEGATIVE_INFINITY;
  }

  private void apply(int count) {
    MemorySegment.copy(words, 0, entries, JAVA_INT, 0, count * ENTRY_WORDS);
    array.set(ADDRESS, 0, entries);
    array.set(JAVA_LONG, 8, count);
    array.set(JAVA_LONG, 16, -1);
    array.set(JAVA_BYTE, 24, (byte) 0);
    try {
      functions.apply().invokeExact(sampler, array);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    MemorySegment.copy(entries, JAVA_INT, 0, words, 0, count * ENTRY_WORDS);
  }

  @Override
  public void accept(int token) {
    try {
      functions.accept().invokeExact(sampler, token);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      functions.free().invokeExact(sampler);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    arena.close();
  }
}
