package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// llama.cpp's C functions (`include/llama.h` of build b4916) through `java.lang.foreign`; the only
/// class that makes native calls.
final class NativeLlama implements Llama {
  private static final Logger LOG = LoggerFactory.getLogger(NativeLlama.class);
  private static final int LEVEL_ERROR = 4;
  private static final int LEVEL_CONTINUED = 5;

  /// What this build returns when it finds no run of free cells.
  private static final int NO_SLOT = -3;

  private static final int TYPE_F32 = 0;
  private static final int TYPE_F16 = 1;

  /* Parameter structures are taken whole from the library's defaults, then single fields are set:
  llama_context_params (120 bytes): uint32 n_ctx 0, n_batch 4, n_ubatch 8, n_seq_max 12; int32
  n_threads 16, n_threads_batch 20; three enums; seven floats and a uint32; callback and data 72, 80; enum type_k 88,
  type_v 92; bool logits_all 96, embeddings 97, offload_kqv 98, flash_attn 99, no_perf 100;
  callback and data 104, 112.
  llama_model_params (64 bytes): four pointers or ints up to 56; bool vocab_only 56, use_mmap 57.
  llama_batch (56 bytes): int32 n_tokens 0; pointers token 8, embd 16, pos 24, n_seq_id 32,
  seq_id 40, logits 48. */
  private static final StructLayout CONTEXT_PARAMS = words(15);
  private static final StructLayout MODEL_PARAMS = words(8);
  private static final StructLayout BATCH =
      MemoryLayout.structLayout(
          JAVA_INT,
          MemoryLayout.paddingLayout(4),
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS);
  private static final StructLayout CHAT_MESSAGE = MemoryLayout.structLayout(ADDRESS, ADDRESS);

  /// The library's functions, bound.
  private record Calls(
      MethodHandle tokenize,
      MethodHandle piece,
      MethodHandle isEnd,
      MethodHandle template,
      MethodHandle decode,
      MethodHandle logits,
      MethodHandle share,
      MethodHandle trim,
      MethodHandle defragment,
      MethodHandle update,
      MethodHandle usedCells) {}

  private final Arena arena;
  private final Linker linker = Linker.nativeLinker();
  private final SymbolLookup symbols;
  private final Calls calls;
  private final MemorySegment model;
  private final Words words;
  private final Shape shape;
  private MemorySegment context = MemorySegment.NULL;
  private @Nullable NativeBatch batch;

  private static StructLayout words(int count) {
    return MemoryLayout.structLayout(MemoryLayout.sequenceLayout(count, JAVA_LONG));
  }

  private NativeLlama(Arena arena, SymbolLookup symbols, Path file) throws EngineException {
    this.arena = arena;
    this.symbols = symbols;
    try {
      silence();
      function("llama_backend_init", null).invoke();
      MemorySegment params =
          (MemorySegment)
              function("llama_model_default_params", MODEL_PARAMS).invoke((SegmentAllocator) arena);
      model =
          (MemorySegment)
              function("llama_model_load_from_file", ADDRESS, ADDRESS, MODEL_PARAMS)
                  .invoke(arena.allocateFrom(file.toString()), params);
      if (model.equals(MemorySegment.NULL)) {
        throw new EngineException(
            file + ": llama.cpp cannot load it (expected: a whole GGUF model it knows)");
      }
      calls = bind();
      shape = readShape();
      words = new Words();
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
  static NativeLlama load(Path library, Path file) throws EngineException {
    Arena arena = Arena.ofShared();
    try {
      return new NativeLlama(arena, lookup(library, arena), file);
    } catch (EngineException | RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  private static SymbolLookup lookup(Path library, Arena arena) throws EngineException {
    boolean linux = System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux");
    if (linux) {
      requires("libgomp.so.1", "libgomp1", "libgomp", arena);
      requires("libstdc++.so.6", "libstdc++6", "libstdc++", arena);
    }
    try {
      return SymbolLookup.libraryLookup(library, arena);
    } catch (IllegalArgumentException e) {
      throw new EngineException(library + ": cannot be loaded on this system: " + e.getMessage());
    }
  }

  private static void requires(String file, String debian, String others, Arena arena)
      throws EngineException {
    try {
      SymbolLookup.libraryLookup(file, arena);
    } catch (IllegalArgumentException e) {
      throw new EngineException(
          file
              + " is missing, which the engine's llama.cpp needs (expected: package "
              + debian
              + " on Debian and Ubuntu, "
              + others
              + " on Fedora, RHEL and Alpine)");
    }
  }

  private MethodHandle function(
      String name, @Nullable MemoryLayout result, MemoryLayout... arguments) {
    MemorySegment address =
        symbols
            .find(name)
            .orElseThrow(() -> new IllegalStateException("llama.cpp lacks function " + name));
    return linker.downcallHandle(
        address,
        result == null
            ? FunctionDescriptor.ofVoid(arguments)
            : FunctionDescriptor.of(result, arguments));
  }

  private Calls bind() {
    return new Calls(
        function(
            "llama_tokenize",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_BOOLEAN,
            JAVA_BOOLEAN),
        function(
            "llama_token_to_piece",
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_INT,
            JAVA_BOOLEAN),
        function("llama_vocab_is_eog", JAVA_BOOLEAN, ADDRESS, JAVA_INT),
        function(
            "llama_chat_apply_template",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_BOOLEAN,
            ADDRESS,
            JAVA_INT),
        function("llama_decode", JAVA_INT, ADDRESS, BATCH),
        function("llama_get_logits_ith", ADDRESS, ADDRESS, JAVA_INT),
        function("llama_kv_self_seq_cp", null, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
        function("llama_kv_self_seq_rm", JAVA_BOOLEAN, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT),
        function("llama_kv_self_defrag", null, ADDRESS),
        function("llama_kv_self_update", null, ADDRESS),
        function("llama_kv_self_used_cells", JAVA_INT, ADDRESS));
  }

  /// Keeps llama.cpp's log off stderr, except errors.
  private void silence() throws Throwable {
    MethodHandle sink =
        MethodHandles.lookup()
            .findStatic(
                NativeLlama.class,
                "log",
                MethodType.methodType(
                    void.class, int.class, MemorySegment.class, MemorySegment.class));
    MemorySegment callback =
        linker.upcallStub(
            sink, FunctionDescriptor.ofVoid(JAVA_INT, ADDRESS, ADDRESS), Arena.global());
    function("llama_log_set", null, ADDRESS, ADDRESS).invoke(callback, MemorySegment.NULL);
  }

  /// Errors of the decode in progress on this thread: a full cache is no error to report.
  private static final ThreadLocal<StringBuilder> HELD = new ThreadLocal<>();

  private static volatile int lastLevel;

  @SuppressWarnings("UnusedMethod") // llama.cpp calls it
  private static void log(int level, MemorySegment text, MemorySegment ignored) {
    int effective = level == LEVEL_CONTINUED ? lastLevel : level;
    lastLevel = effective;
    if (effective == LEVEL_ERROR) {
      String line = text.reinterpret(Long.MAX_VALUE).getString(0).strip();
      StringBuilder held = HELD.get();
      if (held != null) {
        held.append(line).append("; ");
      } else if (!line.isEmpty()) {
        LOG.error("llama.cpp: {}", line);
      }
    }
  }

  private Shape readShape() throws Throwable {
    MemorySegment text = arena.allocate(256);
    int length =
        (int)
            function("llama_model_desc", JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG)
                .invoke(model, text, text.byteSize());
    int heads = modelInt("llama_model_n_head");
    int width = modelInt("llama_model_n_embd");
    int keyHeads = modelInt("llama_model_n_head_kv");
    return new Shape(
        length > 0 ? text.getString(0) : "model",
        (long) function("llama_model_size", JAVA_LONG, ADDRESS).invoke(model),
        modelInt("llama_model_n_layer"),
        heads,
        width,
        heads == 0 ? width : width / heads * keyHeads,
        modelInt("llama_model_n_ctx_train"));
  }

  private int modelInt(String function) throws Throwable {
    return (int) function(function, JAVA_INT, ADDRESS).invoke(model);
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public Vocabulary vocabulary() {
    return words;
  }

  @Override
  public void open(Layout layout) throws EngineException {
    try {
      MemorySegment p =
          (MemorySegment)
              function("llama_context_default_params", CONTEXT_PARAMS)
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
      context =
          (MemorySegment)
              function("llama_init_from_model", ADDRESS, ADDRESS, CONTEXT_PARAMS).invoke(model, p);
    } catch (Throwable e) {
      throw failed(e);
    }
    if (context.equals(MemorySegment.NULL)) {
      throw new EngineException(
          "llama.cpp cannot allocate a cache of " + layout.cells() + " tokens for this model");
    }
    batch = new NativeBatch(arena, layout.batchTokens());
  }

  @Override
  public Decoded decode(Batch b) {
    NativeBatch into = batch;
    if (into == null) {
      throw new IllegalStateException("not open");
    }
    StringBuilder errors = new StringBuilder();
    HELD.set(errors);
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
      throw failed(e);
    } finally {
      HELD.remove();
    }
  }

  @Override
  public void logits(int index, float[] into) {
    try {
      MemorySegment row = (MemorySegment) calls.logits().invokeExact(context, index);
      MemorySegment.copy(
          row.reinterpret((long) Float.BYTES * into.length), JAVA_FLOAT, 0, into, 0, into.length);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  @Override
  public void share(int from, int to, int end) {
    try {
      calls.share().invokeExact(context, from, to, 0, end);
    } catch (Throwable e) {
      throw failed(e);
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
      throw failed(e);
    }
  }

  @Override
  public void defragment() {
    try {
      calls.defragment().invokeExact(context);
      calls.update().invokeExact(context);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  @Override
  public int usedCells() {
    try {
      return (int) calls.usedCells().invokeExact(context);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  @Override
  public void close() {
    try {
      if (!context.equals(MemorySegment.NULL)) {
        function("llama_free", null, ADDRESS).invoke(context);
      }
      function("llama_model_free", null, ADDRESS).invoke(model);
    } catch (Throwable e) {
      throw failed(e);
    }
    arena.close();
  }

  private static RuntimeException failed(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return e instanceof RuntimeException r ? r : new IllegalStateException(e);
  }

  /// A `llama_batch` whose arrays live as long as the context.
  private static final class NativeBatch {
    private final int capacity;
    private final MemorySegment header;
    private final MemorySegment tokens;
    private final MemorySegment positions;
    private final MemorySegment sequences;
    private final MemorySegment logits;

    NativeBatch(Arena arena, int capacity) {
      this.capacity = capacity;
      header = arena.allocate(BATCH);
      tokens = arena.allocate(JAVA_INT, capacity);
      positions = arena.allocate(JAVA_INT, capacity);
      sequences = arena.allocate(JAVA_INT, capacity);
      logits = arena.allocate(JAVA_BYTE, capacity);
      MemorySegment counts = arena.allocate(JAVA_INT, capacity);
      MemorySegment pointers = arena.allocate(ADDRESS, capacity + 1L);
      for (int i = 0; i < capacity; i++) {
        counts.setAtIndex(JAVA_INT, i, 1);
        pointers.setAtIndex(ADDRESS, i, sequences.asSlice((long) i * Integer.BYTES));
      }
      header.set(ADDRESS, 8, tokens);
      header.set(ADDRESS, 24, positions);
      header.set(ADDRESS, 32, counts);
      header.set(ADDRESS, 40, pointers);
      header.set(ADDRESS, 48, logits);
    }

    MemorySegment fill(Batch b) {
      if (b.size < 1 || b.size > capacity) {
        throw new IllegalArgumentException(
            "batch of " + b.size + " tokens (expected: 1.." + capacity + ")");
      }
      header.set(JAVA_INT, 0, b.size);
      MemorySegment.copy(b.tokens, 0, tokens, JAVA_INT, 0, b.size);
      MemorySegment.copy(b.positions, 0, positions, JAVA_INT, 0, b.size);
      MemorySegment.copy(b.sequences, 0, sequences, JAVA_INT, 0, b.size);
      for (int i = 0; i < b.size; i++) {
        logits.set(JAVA_BYTE, i, (byte) (b.logits[i] ? 1 : 0));
      }
      return header;
    }
  }

  /// The vocabulary; its native functions only read the model.
  private final class Words implements Vocabulary {
    private static final int GROWTH = 2;
    private final MemorySegment vocabulary;
    private final int size;
    private final MemorySegment template;

    Words() throws Throwable {
      vocabulary =
          (MemorySegment) function("llama_model_get_vocab", ADDRESS, ADDRESS).invoke(model);
      size = (int) function("llama_vocab_n_tokens", JAVA_INT, ADDRESS).invoke(vocabulary);
      MemorySegment own =
          (MemorySegment)
              function("llama_model_chat_template", ADDRESS, ADDRESS, ADDRESS)
                  .invoke(model, MemorySegment.NULL);
      template = own.equals(MemorySegment.NULL) ? arena.allocateFrom("chatml") : own;
    }

    @Override
    public int size() {
      return size;
    }

    @Override
    public boolean isEnd(int token) {
      try {
        return (boolean) calls.isEnd().invokeExact(vocabulary, token);
      } catch (Throwable e) {
        throw failed(e);
      }
    }

    @Override
    public int[] tokenize(String text, boolean special) {
      try (Arena call = Arena.ofConfined()) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        MemorySegment from = call.allocate(utf8.length + 1L);
        MemorySegment.copy(utf8, 0, from, JAVA_BYTE, 0, utf8.length);
        int room = utf8.length / GROWTH + 16;
        while (true) {
          MemorySegment into = call.allocate(JAVA_INT, room);
          int n =
              (int)
                  calls
                      .tokenize()
                      .invokeExact(vocabulary, from, utf8.length, into, room, special, true);
          if (n >= 0) {
            return into.asSlice(0, (long) n * Integer.BYTES).toArray(JAVA_INT);
          }
          room = -n;
        }
      } catch (Throwable e) {
        throw failed(e);
      }
    }

    @Override
    public byte[][] pieces() {
      byte[][] all = new byte[size][];
      try (Arena call = Arena.ofConfined()) {
        MemorySegment into = call.allocate(64);
        for (int token = 0; token < size; token++) {
          int n = piece(token, into);
          if (n < 0) {
            into = call.allocate(-n);
            n = piece(token, into);
          }
          all[token] = into.asSlice(0, n).toArray(JAVA_BYTE);
        }
        return all;
      } catch (Throwable e) {
        throw failed(e);
      }
    }

    private int piece(int token, MemorySegment into) throws Throwable {
      return (int)
          calls.piece().invokeExact(vocabulary, token, into, (int) into.byteSize(), 0, false);
    }

    @Override
    public String prompt(List<Message> messages) {
      try (Arena call = Arena.ofConfined()) {
        MemorySegment chat = call.allocate(CHAT_MESSAGE, messages.size());
        long bytes = 256;
        for (int i = 0; i < messages.size(); i++) {
          Message m = messages.get(i);
          MemorySegment content = call.allocateFrom(m.content().replace("\0", ""));
          bytes += content.byteSize() + m.role().length() + 64;
          chat.set(ADDRESS, i * CHAT_MESSAGE.byteSize(), call.allocateFrom(m.role()));
          chat.set(ADDRESS, i * CHAT_MESSAGE.byteSize() + ADDRESS.byteSize(), content);
        }
        int room = Math.toIntExact(bytes);
        while (true) {
          MemorySegment into = call.allocate(room);
          int n = apply(template, chat, messages.size(), into, room);
          if (n < 0) {
            n = apply(call.allocateFrom("chatml"), chat, messages.size(), into, room);
          }
          if (n < 0) {
            throw new IllegalArgumentException("the chat template cannot render these messages");
          }
          if (n <= room) {
            return new String(into.asSlice(0, n).toArray(JAVA_BYTE), StandardCharsets.UTF_8);
          }
          room = n;
        }
      } catch (Throwable e) {
        throw failed(e);
      }
    }

    private int apply(MemorySegment name, MemorySegment chat, int count, MemorySegment into, int n)
        throws Throwable {
      return (int) calls.template().invokeExact(name, chat, (long) count, true, into, n);
    }
  }
}
