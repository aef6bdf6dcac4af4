package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Damaged files end in a message, before llama.cpp sees them.
class GgufCheckTest {
  @TempDir Path folder;

  private byte[] model(boolean qwen) throws Exception {
    Path file = folder.resolve("m.gguf");
    return Files.readAllBytes(
        qwen
            ? GgufWriter.writeQwen(file, GgufWriter.Size.TINY, 1)
            : GgufWriter.write(file, GgufWriter.Size.TINY, 1, null));
  }

  private void check(byte[] bytes) throws Exception {
    Path file = Files.write(folder.resolve("x.gguf"), bytes);
    GgufCheck.of(file, GgufHeader.read(file));
  }

  /// The place of a metadata value.
  static int valueOf(byte[] model, String key) {
    byte[] k = key.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < model.length - k.length; i++) {
      if (java.util.Arrays.equals(model, i, i + k.length, k, 0, k.length)) {
        return i + k.length + 4;
      }
    }
    throw new IllegalArgumentException(key);
  }

  /// The model with one more metadata value: an `Integer` (as uint32), a `Float` or a `String`.
  static byte[] with(byte[] model, String key, Object value) {
    byte[] entry = entry(key, value);
    // what is added keeps the alignment of the values behind it
    String note = "note." + key;
    int rest = Math.floorMod(-(entry.length + entry(note, "").length), 32);
    byte[] filler = entry(note, "x".repeat(rest));
    ByteBuffer out =
        ByteBuffer.allocate(model.length + entry.length + filler.length)
            .order(ByteOrder.LITTLE_ENDIAN);
    out.put(model, 0, 24).put(entry).put(filler).put(model, 24, model.length - 24);
    out.putLong(16, out.getLong(16) + 2);
    return out.array();
  }

  private static byte[] entry(String key, Object value) {
    ByteBuffer out =
        ByteBuffer.allocate(8 + key.length() + 4 + 8 + String.valueOf(value).length())
            .order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(key.length()).put(key.getBytes(StandardCharsets.US_ASCII));
    switch (value) {
      case Integer n -> out.putInt(4).putInt(n);
      case Float f -> out.putInt(6).putFloat(f);
      default -> {
        String s = String.valueOf(value);
        out.putInt(8).putLong(s.length()).put(s.getBytes(StandardCharsets.US_ASCII));
      }
    }
    return java.util.Arrays.copyOf(out.array(), out.position());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "rope.scaling.type | s | foo | foo (expected: none, linear, yarn, longrope)",
        "rope.scaling.type | n | 3 | 3 (expected: none, linear, yarn, longrope)",
        "rope.scaling.factor | f | NaN | NaN (expected: a number)",
        "rope.scaling.factor | f | -5 | -5.0 (expected: a number from 0)",
        "rope.scale_linear | f | -Infinity | -Infinity (expected: a number)",
        "logit_scale | f | NaN | NaN (expected: a number)",
        "expert_count | n | 300 | 300 (expected: 0..256)",
        "expert_count | n | 4 | missing or no whole number (expected: 1..4)",
        "expert_used_count | n | 2 | 2 (expected: 0..0)",
      })
  void aValueThatLlamaCppTakesForGrantedIsChecked(
      String key, String type, String value, String said) throws Exception {
    Object v =
        switch (type) {
          case "n" -> Integer.valueOf(value);
          case "f" -> Float.valueOf(value);
          default -> value;
        };
    byte[] bytes = with(model(false), "llama." + key, v);
    assertThatThrownBy(() -> check(bytes))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining(said);
  }

  @Test
  void expertsOfWhichSomeAreUsedAreTaken() throws Exception {
    byte[] model = with(model(false), "llama.expert_count", 4);
    check(with(model, "llama.expert_used_count", 2));
    check(with(model(false), "llama.rope.scaling.type", "yarn"));
    byte[] more = with(model, "llama.expert_used_count", 8);
    assertThatThrownBy(() -> check(more))
        .hasMessageContaining("llama.expert_used_count: 8 (expected: 1..4)");
  }

  @Test
  void wholeModelsAreTaken() throws Exception {
    check(model(false));
    check(model(true));
    String home = System.getProperty("infini.home", ".");
    Path bundled = Path.of(home, "model", "infini-tiny.gguf");
    assertThatCode(() -> GgufCheck.of(bundled, GgufHeader.read(bundled)))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @CsvSource({
    "llama.block_count, 0, llama.block_count: 0 (expected: 1..512)",
    "llama.block_count, -1, llama.block_count: 4294967295 (expected: 1..512)",
    "llama.context_length, -1, llama.context_length: 4294967295 (expected: 1..2147483647)",
    "llama.context_length, 0, llama.context_length: 0",
    "llama.embedding_length, 0, llama.embedding_length: 0",
    "llama.attention.head_count, 0, llama.attention.head_count: 0",
    "llama.attention.head_count, 7, llama.attention.head_count_kv",
    "llama.attention.head_count_kv, 3, llama.attention.head_count_kv: 3",
    "llama.rope.dimension_count, 3, llama.rope.dimension_count: 3 (expected: even",
    "llama.rope.dimension_count, 4096, llama.rope.dimension_count: 4096",
    "llama.attention.layer_norm_rms_epsilon, 0, layer_norm_rms_epsilon: 0.0",
    "tokenizer.ggml.bos_token_id, 99999999, tokenizer.ggml.bos_token_id: 99999999",
    "tokenizer.ggml.eos_token_id, -1, tokenizer.ggml.eos_token_id: 4294967295",
  })
  void aValueOutOfItsRangeIsNamed(String key, int value, String said) throws Exception {
    byte[] bytes = model(false);
    if (key.equals("llama.attention.head_count") && value == 7) {
      ByteBuffer.wrap(bytes)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putInt(valueOf(bytes, "llama.attention.head_count_kv"), 2);
    }
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(valueOf(bytes, key), value);
    assertThatThrownBy(() -> check(bytes))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("x.gguf: damaged, or no model for this engine: ")
        .hasMessageContaining(said);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 4, is no GGUF",
    "4, 1, version 1",
    "8, -1, tensors",
    "16, -1, metadata values",
    "24, -1, a text or list of",
  })
  void aCountBeyondTheFileIsNamed(int at, int value, String said) throws Exception {
    byte[] bytes = model(false);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
    assertThatThrownBy(() -> check(bytes))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining(at == 0 ? "GGUF of version 2 or 3" : said);
  }

  @Test
  void aFileThatWasCutIsNamed() throws Exception {
    byte[] bytes = model(false);
    for (int length : new int[] {4, 20, 100, bytes.length / 2, bytes.length - 100}) {
      assertThatThrownBy(() -> check(java.util.Arrays.copyOf(bytes, length)))
          .as("%s bytes", length)
          .isInstanceOf(EngineException.class);
    }
  }

  @Test
  void anEncoderAndARecurrentModelAreRefusedByName() throws Exception {
    for (String kind : new String[] {"mamba", "bert"}) {
      byte[] bytes = model(false);
      String text = new String(bytes, StandardCharsets.ISO_8859_1);
      String name = kind.length() == 4 ? "bert\0" : kind;
      byte[] other =
          text.replaceFirst("(general\\.architecture\\x08\0\0\0\\x05(?:\0){7})llama", "$1" + name)
              .getBytes(StandardCharsets.ISO_8859_1);
      assertThatThrownBy(() -> check(other))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("general.architecture: ");
    }
  }

  @Test
  void theWidthOfKeysIsTheModelsOwnWord() throws Exception {
    Path file = GgufWriter.write(folder.resolve("k.gguf"), GgufWriter.Size.TINY, 1, null);
    assertThat(GgufHeader.read(file).keyWidth()).isEmpty();
    GgufHeader wide =
        new GgufHeader(
            java.util.Map.of(
                "general.architecture",
                "qwen3",
                "qwen3.attention.key_length",
                128L,
                "qwen3.attention.value_length",
                128L,
                "qwen3.attention.head_count_kv",
                8L),
            java.util.List.of(),
            32,
            0);
    assertThat(wide.keyWidth()).hasValue(1024);
  }
}
