package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The second context of a model in llama.cpp, opened for embeddings without pooling: llama.cpp
/// pools what is in one micro batch, so that a long text would be one long step. One thread.
final class NativeTokenEmbeddings implements TokenEmbeddings {
  private static final Logger LOG = LoggerFactory.getLogger(NativeTokenEmbeddings.class);

  /// Every sequence.
  private static final int ALL = -1;

  private final MemorySegment context;
  private final NativeBatch batch;
  private final ReentrantLock computing;
  private final int width;
  private final MethodHandle decode;
  private final MethodHandle row;
  private final MethodHandle remove;
  private final MethodHandle free;

  /// @param context its own from here on
  /// @param computing held while it computes
  NativeTokenEmbeddings(
      NativeCalls calls,
      MemorySegment context,
      NativeBatch batch,
      ReentrantLock computing,
      int width) {
    this.context = context;
    this.batch = batch;
    this.computing = computing;
    this.width = width;
    decode = calls.function("llama_decode", JAVA_INT, ADDRESS, NativeBatch.LAYOUT);
    row = calls.function("llama_get_embeddings_ith", ADDRESS, ADDRESS, JAVA_INT);
    remove =
        calls.function("llama_kv_self_seq_rm", JAVA_BOOLEAN, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT);
    free = calls.function("llama_free", null, ADDRESS);
  }

  @Override
  public int width() {
    return width;
  }

  /// Frees the cells and leaves what is in them, which no sequence sees: llama_kv_self_clear writes
  /// zeros over the whole cache.
  @Override
  public void clear() {
    computing.lock();
    try {
      boolean removed = (boolean) remove.invokeExact(context, ALL, 0, -1);
      if (!removed) {
        throw new IllegalStateException("llama.cpp cannot drop the sequences for embeddings");
      }
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      computing.unlock();
    }
  }

  @Override
  public boolean compute(Batch b) {
    StringBuilder errors = NativeCalls.hold();
    computing.lock();
    try {
      int code = (int) decode.invokeExact(context, batch.fill(b));
      if (code != 0) {
        LOG.error("llama.cpp: decode for embeddings failed with code {}: {}", code, errors);
      }
      return code == 0;
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      computing.unlock();
      NativeCalls.release();
    }
  }

  @Override
  public void addTo(double[] sum, int index) {
    MemorySegment values;
    try {
      values = (MemorySegment) row.invokeExact(context, index);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    if (values.equals(MemorySegment.NULL)) {
      throw new IllegalStateException(
          "llama.cpp has no embedding for entry " + index + " of a batch");
    }
    MemorySegment floats = values.reinterpret((long) Float.BYTES * width);
    for (int i = 0; i < width; i++) {
      sum[i] += floats.getAtIndex(JAVA_FLOAT, i);
    }
  }

  void close() {
    try {
      free.invokeExact(context);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }
}
