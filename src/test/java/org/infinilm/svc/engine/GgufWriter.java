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
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// Writes a small GGUF model (version 3, architecture `llama`, f32) with random weights and an SPM
/// vocabulary of bytes, letters and a few words.
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
    return new GgufWriter().build(file, size, seed, template);
  }

  private Path build(Path file, Size z, long seed, @Nullable String template) throws IOException {
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
    text("general.architecture", "llama");
    text("general.name", "tiny-random");
    whole("llama.context_length", 131072);
    whole("llama.embedding_length", z.width());
    whole("llama.block_count", z.layers());
    whole("llama.feed_forward_length", z.hidden());
    whole("llama.attention.head_count", z.heads());
    whole("llama.attention.head_count_kv", z.keyHeads());
    real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    whole("llama.rope.dimension_count", z.width() / z.heads());
    whole("llama.vocab_size", pieces.size());
    text("tokenizer.ggml.model", "llama");
    vocabulary(pieces);
    whole("tokenizer.ggml.bos_token_id", 1);
    whole("tokenizer.ggml.eos_token_id", 2);
    whole("general.file_type", 0);
    if (template != null) {
      text("tokenizer.chat_template", template);
    }
    layers(z, pieces.size());
    Files.write(file, bytes(new Random(seed)));
    return file;
  }

  private void vocabulary(List<String> pieces) {
    key("tokenizer.ggml.tokens", ARRAY);
    put(meta, little(12).putInt(STRING).putLong(pieces.size()));
    pieces.forEach(p -> string(meta, p));
    key("tokenizer.ggml.scores", ARRAY);
    ByteBuffer scores = little(12 + 4 * pieces.size()).putInt(FLOAT32).putLong(pieces.size());
    scores(scores, pieces);
    key("tokenizer.ggml.token_type", ARRAY);
    ByteBuffer types = little(12 + 4 * pieces.size()).putInt(INT32).putLong(pieces.size());
    for (int i = 0; i < pieces.size(); i++) {
      types.putInt(i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
    }
    put(meta, types);
  }

  private void scores(ByteBuffer scores, List<String> pieces) {
    for (int i = 0; i < pieces.size(); i++) {
      scores.putFloat(i < 259 ? 0f : pieces.get(i).length() - i / 1000f);
    }
    put(meta, scores);
  }

  private void layers(Size z, int vocabulary) {
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
