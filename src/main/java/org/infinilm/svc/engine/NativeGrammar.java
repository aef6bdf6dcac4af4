package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/// llama.cpp's grammar sampler for one answer. One thread at a time.
final class NativeGrammar implements Grammar {
  /* llama_token_data (12 bytes): int32 id, float logit, float p. llama_token_data_array (32
  bytes): pointer data 0, size_t size 8, int64 selected 16, bool sorted 24. What the sampler does
  not take gets the logit -infinity; the order stays. It must not be told of an end token or of one
  that it does not take: llama.cpp ends the process then. */
  private static final int ENTRY_BYTES = 12;
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
  private final int size;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment array = arena.allocate(ARRAY_BYTES, 8);
  private @Nullable MemorySegment entries;
  private boolean closed;

  private NativeGrammar(Functions functions, MemorySegment sampler, int size) {
    this.functions = functions;
    this.sampler = sampler;
    this.size = size;
  }

  /// @param vocabulary llama.cpp's vocabulary of `size` tokens
  /// @throws IllegalArgumentException when llama.cpp does not take the grammar
  static NativeGrammar of(Functions functions, MemorySegment vocabulary, int size, String gbnf) {
    NativeCalls.hold();
    try (Arena call = Arena.ofConfined()) {
      MemorySegment sampler =
          (MemorySegment)
              functions
                  .init()
                  .invokeExact(vocabulary, call.allocateFrom(gbnf), call.allocateFrom("root"));
      if (sampler.equals(MemorySegment.NULL)) {
        throw new IllegalArgumentException("llama.cpp does not take its grammar");
      }
      return new NativeGrammar(functions, sampler, size);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      NativeCalls.release();
    }
  }

  @Override
  public boolean allows(int token) {
    MemorySegment one = entries(size);
    put(one, 0, token, 1);
    apply(one, 1);
    return one.get(JAVA_FLOAT, 4) != Float.NEGATIVE_INFINITY;
  }

  @Override
  public void filter(float[] logits) {
    MemorySegment all = entries(size);
    for (int i = 0; i < logits.length; i++) {
      put(all, i, i, logits[i]);
    }
    apply(all, logits.length);
    for (int i = 0; i < logits.length; i++) {
      logits[i] = all.get(JAVA_FLOAT, (long) i * ENTRY_BYTES + 4);
    }
  }

  private MemorySegment entries(int count) {
    MemorySegment e = entries;
    if (e == null) {
      e = arena.allocate((long) count * ENTRY_BYTES, 8);
      entries = e;
    }
    return e;
  }

  private static void put(MemorySegment entries, int at, int token, float logit) {
    entries.set(JAVA_INT, (long) at * ENTRY_BYTES, token);
    entries.set(JAVA_FLOAT, (long) at * ENTRY_BYTES + 4, logit);
  }

  private void apply(MemorySegment entries, int count) {
    array.set(ADDRESS, 0, entries);
    array.set(JAVA_LONG, 8, count);
    array.set(JAVA_LONG, 16, -1);
    array.set(JAVA_BYTE, 24, (byte) 0);
    try {
      functions.apply().invokeExact(sampler, array);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
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
