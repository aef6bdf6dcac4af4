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
  /* What the sampler does not take gets the logit -infinity; the order stays. It must not be told
  of an end token or of one that it does not take: llama.cpp ends the process then. From a grammar
  that it cannot follow it makes a sampler that takes everything. */
  private static final int ENTRY_WORDS = GrammarScratch.ENTRY_WORDS;

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
  private final GrammarScratch.Pool scratch;
  private boolean closed;

  private NativeGrammar(
      Functions functions, MemorySegment sampler, PieceTree tree, GrammarScratch.Pool scratch) {
    this.functions = functions;
    this.sampler = sampler;
    this.tree = tree;
    this.scratch = scratch;
  }

  /// @param vocabulary llama.cpp's vocabulary of the tokens in `tree`
  /// @param scratch of as many tokens
  /// @throws IllegalArgumentException when llama.cpp does not take the grammar
  static NativeGrammar of(
      Functions functions,
      MemorySegment vocabulary,
      PieceTree tree,
      GrammarScratch.Pool scratch,
      String gbnf) {
    NativeCalls.hold();
    try (Arena call = Arena.ofConfined()) {
      MemorySegment sampler =
          (MemorySegment)
              functions
                  .init()
                  .invokeExact(vocabulary, call.allocateFrom(gbnf), call.allocateFrom("root"));
      NativeGrammar made =
          sampler.equals(MemorySegment.NULL)
              ? null
              : new NativeGrammar(functions, sampler, tree, scratch);
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
    GrammarScratch s = scratch.take();
    try {
      for (int i = 0; i < tree.levels(); i++) {
        if (check(s, i) < tree.level(i).length) {
          return false;
        }
      }
      return true;
    } finally {
      scratch.give(s);
    }
  }

  @Override
  public boolean allows(int token) {
    GrammarScratch s = scratch.take();
    try {
      put(s, 0, token, 0);
      apply(s, 1);
      return fits(s, 0);
    } finally {
      scratch.give(s);
    }
  }

  @Override
  public void filter(float[] logits) {
    GrammarScratch s = scratch.take();
    try {
      for (int i = 0; i < tree.levels(); i++) {
        check(s, i);
      }
      for (int token = 0; token < logits.length; token++) {
        if (s.rejected[token]) {
          logits[token] = Float.NEGATIVE_INFINITY;
        }
      }
    } finally {
      scratch.give(s);
    }
  }

  /// Finds which tokens of a level are rejected when those above are known; how many are not.
  private int check(GrammarScratch s, int level) {
    int asked = 0;
    for (int token : tree.level(level)) {
      int above = tree.above(token);
      s.rejected[token] = above >= 0 && s.rejected[above];
      if (!s.rejected[token]) {
        put(s, asked++, token, 0);
      }
    }
    if (asked > 0) {
      apply(s, asked);
    }
    int left = asked;
    for (int i = 0; i < asked; i++) {
      if (!fits(s, i)) {
        s.rejected[s.words[i * ENTRY_WORDS]] = true;
        left--;
      }
    }
    return left;
  }

  private static void put(GrammarScratch s, int at, int token, float logit) {
    s.words[at * ENTRY_WORDS] = token;
    s.words[at * ENTRY_WORDS + 1] = Float.floatToRawIntBits(logit);
  }

  private static boolean fits(GrammarScratch s, int at) {
    return Float.intBitsToFloat(s.words[at * ENTRY_WORDS + 1]) != Float.NEGATIVE_INFINITY;
  }

  private void apply(GrammarScratch s, int count) {
    MemorySegment.copy(s.words, 0, s.entries, JAVA_INT, 0, count * ENTRY_WORDS);
    s.array.set(ADDRESS, 0, s.entries);
    s.array.set(JAVA_LONG, 8, count);
    s.array.set(JAVA_LONG, 16, -1);
    s.array.set(JAVA_BYTE, 24, (byte) 0);
    try {
      functions.apply().invokeExact(sampler, s.array);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    MemorySegment.copy(s.entries, JAVA_INT, 0, s.words, 0, count * ENTRY_WORDS);
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
  }
}
