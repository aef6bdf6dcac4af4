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
