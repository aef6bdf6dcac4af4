package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The vocabulary and chat template of a loaded model; the native functions only read the model.
/// Thread-safe.
final class NativeVocabulary implements Vocabulary {
  private static final Logger LOG = LoggerFactory.getLogger(NativeVocabulary.class);

  /// Of `enum llama_token_attr`.
  private static final int UNKNOWN = 1;

  private static final int CONTROL = 1 << 3;
  private static final long MOST_CONTROL_BYTES = 1 << 16;
  private static final long MOST_TEMPLATE_BYTES = 1 << 24;
  private static final StructLayout CHAT_MESSAGE = MemoryLayout.structLayout(ADDRESS, ADDRESS);

  private final MethodHandle tokenize;
  private final MethodHandle piece;
  private final MethodHandle isEnd;
  private final MethodHandle applyTemplate;
  private final NativeGrammar.Functions grammar;
  private final MemorySegment vocabulary;
  private final int size;
  private final MemorySegment template;
  private final List<String> controls;
  private final @Nullable ToolForm toolForm;
  private final PieceTree tree;
  private final GrammarScratch.Pool scratch;

  /// @param arena lives as long as the model
  NativeVocabulary(NativeCalls calls, MemorySegment model, Arena arena) throws Throwable {
    tokenize =
        calls.function(
            "llama_tokenize",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_BOOLEAN,
            JAVA_BOOLEAN);
    piece =
        calls.function(
            "llama_token_to_piece",
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_INT,
            JAVA_BOOLEAN);
    isEnd = calls.function("llama_vocab_is_eog", JAVA_BOOLEAN, ADDRESS, JAVA_INT);
    applyTemplate =
        calls.function(
            "llama_chat_apply_template",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_BOOLEAN,
            ADDRESS,
            JAVA_INT);
    grammar = NativeGrammar.Functions.of(calls);
    vocabulary =
        (MemorySegment) calls.function("llama_model_get_vocab", ADDRESS, ADDRESS).invoke(model);
    size = (int) calls.function("llama_vocab_n_tokens", JAVA_INT, ADDRESS).invoke(vocabulary);
    MethodHandle templates = calls.function("llama_model_chat_template", ADDRESS, ADDRESS, ADDRESS);
    MemorySegment own = (MemorySegment) templates.invoke(model, MemorySegment.NULL);
    MemorySegment forTools =
        (MemorySegment) templates.invoke(model, arena.allocateFrom("tool_use"));
    template = known(own, arena);
    controls = readControls(calls);
    ToolForm form = ToolForm.of(text(own));
    toolForm = form == null ? ToolForm.of(text(forTools)) : form;
    scratch = new GrammarScratch.Pool(size);
    tree = new PieceTree(pieces(), IntStream.range(0, size).filter(this::isEnd).toArray());
  }

  private static String text(MemorySegment s) {
    return s.equals(MemorySegment.NULL) ? "" : s.reinterpret(MOST_TEMPLATE_BYTES).getString(0);
  }

  /// The model's own chat template when llama.cpp knows it (it compares, it does not interpret
  /// Jinja), otherwise ChatML.
  private MemorySegment known(MemorySegment own, Arena arena) throws Throwable {
    if (!own.equals(MemorySegment.NULL)) {
      MemorySegment probe = arena.allocate(CHAT_MESSAGE);
      probe.set(ADDRESS, 0, arena.allocateFrom("user"));
      probe.set(ADDRESS, ADDRESS.byteSize(), arena.allocateFrom("x"));
      if (apply(own, probe, 1, false, MemorySegment.NULL, 0) >= 0) {
        return own;
      }
      LOG.warn("llama.cpp does not know the model's chat template; chats are written in ChatML");
    }
    return arena.allocateFrom("chatml");
  }

  @Override
  public Grammar grammar(String gbnf) {
    return NativeGrammar.of(grammar, vocabulary, tree, scratch, gbnf);
  }

  @Override
  public @Nullable ToolForm toolForm() {
    return toolForm;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public boolean isEnd(int token) {
    try {
      return (boolean) isEnd.invokeExact(vocabulary, token);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public int[] tokenize(String text, boolean special, boolean control) {
    try (Arena call = Arena.ofConfined()) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      MemorySegment from = call.allocate(utf8.length + 1L);
      MemorySegment.copy(utf8, 0, from, JAVA_BYTE, 0, utf8.length);
      int room = utf8.length + 16;
      while (true) {
        MemorySegment into = call.allocate(JAVA_INT, room);
        int n =
            (int) tokenize.invokeExact(vocabulary, from, utf8.length, into, room, special, control);
        if (n >= 0) {
          return into.asSlice(0, (long) n * Integer.BYTES).toArray(JAVA_INT);
        }
        room = -n;
      }
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  @Override
  public List<String> controls() {
    return controls;
  }

  private List<String> readControls(NativeCalls calls) throws Throwable {
    MethodHandle attributes = calls.function("llama_vocab_get_attr", JAVA_INT, ADDRESS, JAVA_INT);
    MethodHandle text = calls.function("llama_vocab_get_text", ADDRESS, ADDRESS, JAVA_INT);
    List<String> out = new ArrayList<>();
    for (int token = 0; token < size; token++) {
      if (((int) attributes.invokeExact(vocabulary, token) & (UNKNOWN | CONTROL)) != 0) {
        MemorySegment said = (MemorySegment) text.invokeExact(vocabulary, token);
        String s = said.reinterpret(MOST_CONTROL_BYTES).getString(0);
        if (!s.isEmpty()) {
          out.add(s);
        }
      }
    }
    return List.copyOf(out);
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
      throw NativeCalls.failed(e);
    }
  }

  private int piece(int token, MemorySegment into) throws Throwable {
    return (int) piece.invokeExact(vocabulary, token, into, (int) into.byteSize(), 0, false);
  }

  @Override
  public String prompt(List<Message> messages, boolean answerTurn) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment chat = call.allocate(CHAT_MESSAGE, messages.size());
      long bytes = 256;
      for (int i = 0; i < messages.size(); i++) {
        Message m = messages.get(i);
        MemorySegment content = call.allocateFrom(m.content());
        bytes += content.byteSize() + m.role().length() + 64;
        chat.set(ADDRESS, i * CHAT_MESSAGE.byteSize(), call.allocateFrom(m.role()));
        chat.set(ADDRESS, i * CHAT_MESSAGE.byteSize() + ADDRESS.byteSize(), content);
      }
      int room = Math.toIntExact(bytes);
      while (true) {
        MemorySegment into = call.allocate(room);
        int n = apply(template, chat, messages.size(), answerTurn, into, room);
        if (n < 0) {
          throw new IllegalArgumentException("the chat template cannot render these messages");
        }
        if (n <= room) {
          return new String(into.asSlice(0, n).toArray(JAVA_BYTE), StandardCharsets.UTF_8);
        }
        room = n;
      }
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }

  private int apply(
      MemorySegment name,
      MemorySegment chat,
      int count,
      boolean answerTurn,
      MemorySegment into,
      int room)
      throws Throwable {
    return (int) applyTemplate.invokeExact(name, chat, (long) count, answerTurn, into, room);
  }
}
