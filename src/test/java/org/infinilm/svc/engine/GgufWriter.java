package org.infinilm.svc.engine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/// Writes a small GGUF model (version 3, f32) with random weights: architecture `llama` and an SPM
/// vocabulary of bytes, letters and a few words, or architecture `qwen2` and a byte-level BPE
/// vocabulary of bytes and a few merges.
final class GgufWriter {
  private static final int STRING = 8;
  private static final int ARRAY = 9;
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int ALIGNMENT = 32;

  /// Sizes of a model.
  record Size(int width, int heads, int keyHeads, int layers, int hidden, int words) {
    static final Size TINY = new Size(32, 2, 1, 2, 64, 100);
  }

  private record Tensor(String name, List<Integer> shape, boolean ones) {}

  private final ByteArrayOutputStream meta = new ByteArrayOutputStream();
  private int metaCount;
  private final List<Tensor> tensors = new ArrayList<>();

  private GgufWriter() {}

  /// Writes the model; the same seed gives the same file.
  ///
  /// @param template the chat template to store, or null for none
  static Path write(Path file, Size size, long seed, @Nullable String template) throws IOException {
    return new GgufWriter().llama(file, size, seed, template);
  }

  /// Writes a model of the other kind.
  static Path writeQwen(Path file, Size size, long seed) throws IOException {
    return new GgufWriter().qwen(file, size, seed, null);
  }

  /// Writes a model of the other kind with a chat template and the tags of tool calls as tokens.
  static Path writeQwenWithTools(Path file, Size size, long seed, String template)
      throws IOException {
    return new GgufWriter().qwen(file, size, seed, template);
  }

  /// Writes a header that names an architecture, and nothing else.
  static Path writeHeader(Path file, String architecture) throws IOException {
    return writeHeader(file, Map.of("general.architecture", architecture));
  }

  static Path writeHeader(Path file, Map<String, String> texts) throws IOException {
    GgufWriter w = new GgufWriter();
    texts.forEach(w::text);
    Files.write(file, w.bytes(new Random(1)));
    return file;
  }

  private Path qwen(Path file, Size z, long seed, @Nullable String template) throws IOException {
    List<String> pieces = new ArrayList<>();
    for (int b = 0; b < 256; b++) {
      pieces.add(Character.toString(byteLevel(b)));
    }
    List<String> merges = List.of("t h", "th e", "Ġ a", "Ġ the", "i n", "e r", "o n", "Ġ t");
    merges.forEach(m -> pieces.add(m.replace(" ", "")));
    pieces.add("<|endoftext|>");
    pieces.add("<|im_start|>");
    pieces.add("<|im_end|>");
    int specials = pieces.size() - 3;
    int tags = pieces.size();
    if (template != null) {
      pieces.addAll(List.of("<tool_call>", "</tool_call>"));
      text("tokenizer.chat_template", template);
    }
    shape("qwen2", z, pieces.size());
    real("qwen2.rope.freq_base", 10000f);
    text("tokenizer.ggml.model", "gpt2");
    text("tokenizer.ggml.pre", "qwen2");
    strings("tokenizer.ggml.tokens", pieces);
    types(pieces.size(), i -> i < specials ? 1 : i < tags ? 3 : 4);
    strings("tokenizer.ggml.merges", merges);
    whole("tokenizer.ggml.bos_token_id", specials);
    whole("tokenizer.ggml.eos_token_id", specials + 2);
    whole("general.file_type", 0);
    layers(z, pieces.size(), true);
    Files.write(file, bytes(new Random(seed)));
    return file;
  }

  /// The character that stands for a byte in byte-level vocabularies: itself when it can be seen,
  /// else one from 256 on, in order.
  private static int byteLevel(int b) {
    int hidden = 256;
    for (int i = 0; i < 256; i++) {
      boolean seen = (i > 32 && i < 127) || (i > 160 && i < 256 && i != 173);
      if (i == b) {
        return seen ? i : hidden;
      }
      hidden += seen ? 0 : 1;
    }
    throw new IllegalArgumentException("byte " + b);
  }

  private void shape(String architecture, Size z, int vocabulary) {
    text("general.architecture", architecture);
    text("general.name", "tiny-random");
    whole(architecture + ".context_length", 131072);
    whole(architecture + ".embedding_length", z.width());
    whole(architecture + ".block_count", z.layers());
    whole(architecture + ".feed_forward_length", z.hidden());
    whole(architecture + ".attention.head_count", z.heads());
    whole(architecture + ".attention.head_count_kv", z.keyHeads());
    real(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
    whole(architecture + ".rope.dimension_count", z.width() / z.heads());
    whole(architecture + ".vocab_size", vocabulary);
  }

  private Path llama(Path file, Size z, long seed, @Nullable String template) throws IOException {
    List<String> pieces = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    for (int i = 0; i < 256; i++) {
      pieces.add("<0x%02X>".formatted(i));
    }
    for (char c = 'a'; c <= 'z'; c++) {
      pieces.add(String.valueOf(c));
    }
    pieces.add("\u2581");
    for (int i = 0; pieces.size() < 286 + z.words(); i++) {
      pieces.add("\u2581" + (char) ('a' + i % 26) + (char) ('a' + i / 26 % 26));
    }
    shape("llama", z, pieces.size());
    text("tokenizer.ggml.model", "llama");
    vocabulary(pieces);
    whole("tokenizer.ggml.bos_token_id", 1);
    whole("tokenizer.ggml.eos_token_id", 2);
    whole("general.file_type", 0);
    if (template != null) {
      text("tokenizer.chat_template", template);
    }
    layers(z, pieces.size(), false);
    Files.write(file, bytes(new Random(seed)));
    return file;
  }

  private void vocabulary(List<String> pieces) {
    strings("tokenizer.ggml.tokens", pieces);
    key("tokenizer.ggml.scores", ARRAY);
    ByteBuffer scores = little(12 + 4 * pieces.size()).putInt(FLOAT32).putLong(pieces.size());
    scores(scores, pieces);
    types(pieces.size(), i -> i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
  }

  private void strings(String name, List<String> values) {
    key(name, ARRAY);
    put(meta, little(12).putInt(STRING).putLong(values.size()));
    values.forEach(v -> string(meta, v));
  }

  private void types(int count, IntUnaryOperator type) {
    key("tokenizer.ggml.token_type", ARRAY);
    ByteBuffer types = little(12 + 4 * count).putInt(INT32).putLong(count);
    for (int i = 0; i < count; i++) {
      types.putInt(type.applyAsInt(i));
    }
    put(meta, types);
  }

  private void scores(ByteBuffer scores, List<String> pieces) {
    for (int i = 0; i < pieces.size(); i++) {
      scores.putFloat(i < 259 ? 0f : pieces.get(i).length() - i / 1000f);
    }
    put(meta, scores);
  }

  private void layers(Size z, int vocabulary, boolean biases) {
    int keys = z.width() / z.heads() * z.keyHeads();
    tensors.add(new Tensor("token_embd.weight", List.of(vocabulary, z.width()), false));
    tensors.add(new Tensor("output_norm.weight", List.of(z.width()), true));
    tensors.add(new Tensor("output.weight", List.of(vocabulary, z.width()), false));
    for (int i = 0; i < z.layers(); i++) {
      String p = "blk." + i + ".";
      tensors.add(new Tensor(p + "attn_norm.weight", List.of(z.width()), true));
      tensors.add(new Tensor(p + "attn_q.weight", List.of(z.width(), z.width()), false));
      tensors.add(new Tensor(p + "attn_k.weight", List.of(keys, z.width()), false));
      tensors.add(new Tensor(p + "attn_v.weight", List.of(keys, z.width()), false));
      if (biases) {
        tensors.add(new Tensor(p + "attn_q.bias", List.of(z.width()), false));
        tensors.add(new Tensor(p + "attn_k.bias", List.of(keys), false));
        tensors.add(new Tensor(p + "attn_v.bias", List.of(keys), false));
      }
      tensors.add(new Tensor(p + "attn_output.weight", List.of(z.width(), z.width()), false));
      tensors.add(new Tensor(p + "ffn_norm.weight", List.of(z.width()), true));
      tensors.add(new Tensor(p + "ffn_gate.weight", List.of(z.hidden(), z.width()), false));
      tensors.add(new Tensor(p + "ffn_up.weight", List.of(z.hidden(), z.width()), false));
      tensors.add(new Tensor(p + "ffn_down.weight", List.of(z.width(), z.hidden()), false));
    }
  }

  private byte[] bytes(Random random) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    put(out, little(20).putInt(3).putLong(tensors.size()).putLong(metaCount));
    out.writeBytes(meta.toByteArray());
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (Tensor t : tensors) {
      int count = 1;
      string(out, t.name());
      put(out, little(4).putInt(t.shape().size()));
      for (int i = t.shape().size() - 1; i >= 0; i--) {
        put(out, little(8).putLong(t.shape().get(i)));
        count *= t.shape().get(i);
      }
      put(out, little(12).putInt(0).putLong(data.size()));
      ByteBuffer values = little(4 * count);
      for (int i = 0; i < count; i++) {
        values.putFloat(t.ones() ? 1f : (float) (random.nextGaussian() * 0.2));
      }
      put(data, values);
      pad(data);
    }
    pad(out);
    out.writeBytes(data.toByteArray());
    return out.toByteArray();
  }

  private static void pad(ByteArrayOutputStream out) {
    out.writeBytes(new byte[(ALIGNMENT - out.size() % ALIGNMENT) % ALIGNMENT]);
  }

  private void key(String name, int type) {
    string(meta, name);
    put(meta, little(4).putInt(type));
    metaCount++;
  }

  private void text(String name, String value) {
    key(name, STRING);
    string(meta, value);
  }

  private void whole(String name, int value) {
    key(name, UINT32);
    put(meta, little(4).putInt(value));
  }

  private void real(String name, float value) {
    key(name, FLOAT32);
    put(meta, little(4).putFloat(value));
  }

  private static void string(ByteArrayOutputStream out, String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    put(out, little(8).putLong(utf8.length));
    out.writeBytes(utf8);
  }

  private static ByteBuffer little(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void put(ByteArrayOutputStream out, ByteBuffer full) {
    byte[] bytes = new byte[full.flip().remaining()];
    full.get(bytes);
    out.writeBytes(bytes);
  }
}
