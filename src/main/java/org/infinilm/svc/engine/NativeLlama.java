package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A model and its context in llama.cpp. Native calls are made here and in the other `Native`
/// classes only.
final class NativeLlama implements Llama {
  private static final Logger LOG = LoggerFactory.getLogger(NativeLlama.class);

  /// What this build returns when it finds no run of free cells.
  private static final int NO_SLOT = -3;

  private static final int POOLING_NONE = 0;
  private static final int TYPE_F32 = 0;
  private static final int TYPE_F16 = 1;

  /* Parameter structures are taken whole from the library's defaults, then single fields are set:
  llama_context_params (120 bytes): uint32 n_ctx 0, n_batch 4, n_ubatch 8, n_seq_max 12; int32
  n_threads 16, n_threads_batch 20; enum rope_scaling_type 24, pooling_type 28 (0: none),
  attention_type 32; seven floats and a uint32; callback and data 72,
  80; enum type_k 88, type_v 92; bool logits_all 96, embeddings 97, offload_kqv 98, flash_attn 99,
  no_perf 100; callback and data 104, 112.
  llama_model_params (64 bytes): four pointers or ints up to 56; bool vocab_only 56, use_mmap 57. */
  private static final StructLayout CONTEXT_PARAMS = words(15);
  private static final StructLayout MODEL_PARAMS = words(8);

  /// The context's functions, bound.
  private record Calls(
      MethodHandle decode,
      MethodHandle logits,
      MethodHandle share,
      MethodHandle trim,
      MethodHandle defragment,
      MethodHandle update,
      MethodHandle usedCells,
      MethodHandle stateSize,
      MethodHandle saveState,
      MethodHandle restoreState) {
    static Calls of(NativeCalls n) {
      return new Calls(
          n.function("llama_decode", JAVA_INT, ADDRESS, NativeBatch.LAYOUT),
          n.function("llama_get_logits_ith", ADDRESS, ADDRESS, JAVA_INT),
          n.function("llama_kv_self_seq_cp", null, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
          n.function("llama_kv_self_seq_rm", JAVA_BOOLEAN, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT),
          n.function("llama_kv_self_defrag", null, ADDRESS),
          n.function("llama_kv_self_update", null, ADDRESS),
          n.function("llama_kv_self_used_cells", JAVA_INT, ADDRESS),
          n.function("llama_state_seq_get_size", JAVA_LONG, ADDRESS, JAVA_INT),
          n.function("llama_state_seq_get_data", JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT),
          n.function("llama_state_seq_set_data", JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT));
    }
  }

  private final Arena arena;
  private final NativeCalls library;
  private final Calls calls;
  private final MemorySegment model;
  private final NativeVocabulary vocabulary;
  private final Shape shape;
  private MemorySegment context = MemorySegment.NULL;
  private @Nullable NativeBatch batch;
  private @Nullable NativeTokenEmbeddings embeddings;

  /// Whoever computes with this model holds it: two contexts at once would share the cores, and a
  /// step would take as long as both. Fair: each waits for one batch of the other at most.
  private final ReentrantLock computing = new ReentrantLock(true);

  private static StructLayout words(int count) {
    return MemoryLayout.structLayout(MemoryLayout.sequenceLayout(count, JAVA_LONG));
  }

  private NativeLlama(Arena arena, NativeCalls library, Path file, GgufHeader header)
      throws EngineException {
    this.arena = arena;
    this.library = library;
    try {
      MemorySegment params =
          (MemorySegment)
              library
                  .function("llama_model_default_params", MODEL_PARAMS)
                  .invoke((SegmentAllocator) arena);
      model =
          (MemorySegment)
              library
                  .function("llama_model_load_from_file", ADDRESS, ADDRESS, MODEL_PARAMS)
                  .invoke(arena.allocateFrom(file.toString()), params);
      if (model.equals(MemorySegment.NULL)) {
        throw new EngineException(
            file + ": llama.cpp cannot load it (expected: a whole GGUF model it knows)");
      }
      calls = Calls.of(library);
      refuseOtherKinds(file);
      shape = readShape(header);
      vocabulary = new NativeVocabulary(library, model, arena);
    } catch (EngineException | RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /// Loads a model.
  ///
  /// @param library the shared library of this platform
  /// @param file a GGUF file
  /// @throws EngineException when it is damaged, or of a kind that does not generate text
  static NativeLlama load(Path library, Path file) throws EngineException {
    GgufHeader header = GgufHeader.read(file);
    GgufCheck.of(file, header);
    Arena arena = Arena.ofShared();
    try {
      return new NativeLlama(arena, new NativeCalls(library, arena), file, header);
    } catch (EngineException | RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /// Refuses models that make no next token, and those whose state cannot be cut back to a prefix.
  private void refuseOtherKinds(Path file) throws Throwable {
    if (modelIs("llama_model_has_encoder") || !modelIs("llama_model_has_decoder")) {
      throw new EngineException(
          file + ": a model with an encoder (expected: one that only generates text)");
    }
    if (modelIs("llama_model_is_recurrent")) {
      throw new EngineException(
          file
              + ": a recurrent model, whose state cannot go back to a shared prefix (expected: one"
              + " with a key-value cache)");
    }
  }

  private boolean modelIs(String function) throws Throwable {
    return (boolean) library.function(function, JAVA_BOOLEAN, ADDRESS).invoke(model);
  }

  private Shape readShape(GgufHeader header) throws Throwable {
    MemorySegment text = arena.allocate(256);
    int length =
        (int)
            library
                .function("llama_model_desc", JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG)
                .invoke(model, text, text.byteSize());
    int heads = modelInt("llama_model_n_head");
    int width = modelInt("llama_model_n_embd");
    int keyHeads = modelInt("llama_model_n_head_kv");
    return new Shape(
        length > 0 ? text.getString(0) : "model",
        (long) library.function("llama_model_size", JAVA_LONG, ADDRESS).invoke(model),
        modelInt("llama_model_n_layer"),
        heads,
        width,
        header.keyWidth().orElse(heads == 0 ? width : width / heads * keyHeads),
        modelInt("llama_model_n_ctx_train"));
  }

  private int modelInt(String function) throws Throwable {
    return (int) library.function(function, JAVA_INT, ADDRESS).invoke(model);
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public Vocabulary vocabulary() {
    return vocabulary;
  }

  @Override
  public void open(Layout layout) throws EngineException {
    context = context(layout, false);
    batch = new NativeBatch(arena, layout.batchTokens());
  }

  @Override
  public TokenEmbeddings openEmbeddings(Layout layout) throws EngineException {
    NativeTokenEmbeddings opened =
        new NativeTokenEmbeddings(
            library,
            context(layout, true),
            new NativeBatch(arena, layout.batchTokens()),
            computing,
            shape.width());
    embeddings = opened;
    return opened;
  }

  private MemorySegment context(Layout layout, boolean embeddings) throws EngineException {
    MemorySegment made;
    try {
      MemorySegment p =
          (MemorySegment)
              library
                  .function("llama_context_default_params", CONTEXT_PARAMS)
                  .invoke((SegmentAllocator) arena);
      p.set(JAVA_INT, 0, layout.cells());
      p.set(JAVA_INT, 4, layout.batchTokens());
      p.set(JAVA_INT, 8, layout.microBatchTokens());
      p.set(JAVA_INT, 12, layout.sequences());
      p.set(JAVA_INT, 16, layout.threads());
      p.set(JAVA_INT, 20, layout.threads());
      p.set(JAVA_INT, 88, layout.halfCache() ? TYPE_F16 : TYPE_F32);
      p.set(JAVA_INT, 92, layout.halfCache() ? TYPE_F16 : TYPE_F32);
      p.set(JAVA_BOOLEAN, 99, layout.flashAttention());
      if (embeddings) {
        p.set(JAVA_INT, 28, POOLING_NONE);
        p.set(JAVA_BOOLEAN, 97, true);
      }
      made =
          (MemorySegment)
              library
                  .function("llama_init_from_model", ADDRESS, ADDRESS, CONTEXT_PARAMS)
                  .invoke(model, p);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    if (made.equals(MemorySegment.NULL)) {
      throw new EngineException(
          "llama.cpp cannot allocate a cache of " + layout.cells() + " tokens for this model");
    }
    return made;
  }

  @Override
  public Decoded decode(Batch b) {
    NativeBatch into = batch;
    if (into == null) {
      throw new IllegalStateException("not open");
    }
    StringBuilder errors = NativeCalls.hold();
    computing.lock();
    try {
      int code = (int) calls.decode().invokeExact(context, into.fill(b));
      return switch (code) {
        case 0 -> Decoded.DONE;
        case 1, NO_SLOT -> Decoded.NO_CELLS;
        default -> {
          LOG.error("llama.cpp: decode failed with code {}: {}", code, errors);
          yield Decoded.FAILED;
        }
      };
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      computing.unlock();
      NativeCalls.release();
    }
  }

  @Override
  public void logits(int index, float[] into) {
    try {
      MemorySegment row = (MemorySegment) calls.logits().invokeExact(context, index);
      if (row.equals(MemorySegment.NULL)) {
        throw new IllegalStateException(
            "llama.cpp has no logits for entry " + index + " of a batch");
      }
      MemorySegment.copy(
          row.reinterpret((long) Float.BYTES * into.length), JAVA_FLOAT, 0, into, 0, into.length);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public void share(int from, int to, int start, int end) {
    try {
      calls.share().invokeExact(context, from, to, start, end);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public void trim(int sequence, int from) {
    try {
      boolean removed = (boolean) calls.trim().invokeExact(context, sequence, from, -1);
      if (!removed) {
        throw new IllegalStateException("this model's cache cannot drop part of a sequence");
      }
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  /// @param state as llama.cpp writes it
  private record State(Arena memory, MemorySegment state) implements Saved {
    @Override
    public void close() {
      memory.close();
    }
  }

  @Override
  public Saved save(int sequence) {
    Arena memory = Arena.ofShared();
    try {
      long bytes = (long) calls.stateSize().invokeExact(context, sequence);
      MemorySegment state = memory.allocate(bytes);
      long written = (long) calls.saveState().invokeExact(context, state, bytes, sequence);
      if (written != bytes) {
        throw new IllegalStateException(
            "llama.cpp saved " + written + " bytes of a sequence (expected: " + bytes + ")");
      }
      return new State(memory, state);
    } catch (Throwable e) {
      memory.close();
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public boolean restore(Saved saved, int sequence) {
    MemorySegment state = ((State) saved).state();
    NativeCalls.hold();
    try {
      return (long) calls.restoreState().invokeExact(context, state, state.byteSize(), sequence)
          == state.byteSize();
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    } finally {
      NativeCalls.release();
    }
  }

  @Override
  public void defragment() {
    try {
      calls.defragment().invokeExact(context);
      calls.update().invokeExact(context);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public int usedCells() {
    try {
      return (int) calls.usedCells().invokeExact(context);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public void close() {
    NativeTokenEmbeddings second = embeddings;
    if (second != null) {
      second.close();
    }
    try {
      if (!context.equals(MemorySegment.NULL)) {
        library.function("llama_free", null, ADDRESS).invoke(context);
      }
      library.function("llama_model_free", null, ADDRESS).invoke(model);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
    arena.close();
  }
}
