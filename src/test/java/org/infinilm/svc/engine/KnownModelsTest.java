package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KnownModelsTest {
  @TempDir private Path folder;

  /// Read in the library itself.
  @Test
  void theNamesAreThoseOfTheLibrary() throws IOException {
    String library;
    try (InputStream in =
        KnownModels.class.getResourceAsStream("/de/kherud/llama/Linux/x86_64/libjllama.so")) {
      library = new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.ISO_8859_1);
    }
    for (String name : KnownModels.ARCHITECTURES) {
      assertThat(library.contains(name + "\0")).as(name).isTrue();
    }
    for (String name : KnownModels.SPLITS) {
      assertThat(library.contains(name + "\0")).as(name).isTrue();
    }
    for (String newer :
        new String[] {
          "qwen3", "qwen3moe", "gemma3n", "llama4", "gpt-oss", "smollm3", "qwen35", "seed-coder"
        }) {
      assertThat(library.contains(newer + "\0")).as(newer).isFalse();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "llama,",
    "qwen2,",
    "gemma3,",
    "qwen3, architecture qwen3",
    "gpt-oss, architecture gpt-oss",
    "mamba, architecture mamba",
    "bert,",
    "Not A Name,"
  })
  void aModelIsKnownByItsArchitecture(String architecture, String unknown) throws IOException {
    Path file = GgufWriter.writeHeader(folder.resolve("m.gguf"), architecture);
    assertThat(KnownModels.unknown(file)).isEqualTo(unknown);
  }

  @ParameterizedTest
  @CsvSource({
    "llama, default,",
    "llama, anything,",
    "gpt2, llama-bpe,",
    "gpt2, ,",
    "gpt2, qwen35, tokenizer qwen35",
    "gpt2, No Name,",
    "gemma4, default, tokenizer gemma4",
    "Not a Name, default,"
  })
  void aModelIsKnownByItsTokenizer(String vocabulary, String split, String unknown)
      throws IOException {
    Map<String, String> texts = new HashMap<>();
    texts.put("general.architecture", "llama");
    texts.put("tokenizer.ggml.model", vocabulary);
    if (split != null) {
      texts.put("tokenizer.ggml.pre", split);
    }
    Path file = GgufWriter.writeHeader(folder.resolve("m.gguf"), texts);
    assertThat(KnownModels.unknown(file)).isEqualTo(unknown);
  }

  @Test
  void whatIsNoModelIsLeftToTheEngine() throws IOException {
    Path file = Files.writeString(folder.resolve("m.gguf"), "GGUFnot");
    assertThat(KnownModels.unknown(file)).isNull();
    assertThat(KnownModels.unknown(folder.resolve("none.gguf"))).isNull();
  }
}
