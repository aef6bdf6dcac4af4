package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a start checks before llama.cpp is asked.
class StartTest {
  @TempDir Path folder;

  @Test
  void aModelIsAFileOrTheFirstOfAFolder() throws Exception {
    Path a = Files.writeString(folder.resolve("a.gguf"), "GGUF...");
    Files.writeString(folder.resolve("b.gguf"), "GGUF...");
    Files.writeString(folder.resolve("a.txt"), "");
    assertThat(ModelFile.find(a)).isEqualTo(new ModelFile(a, 0));
    assertThat(ModelFile.find(folder)).isEqualTo(new ModelFile(a, 1));
    assertThat(ModelFile.find(folder).stem()).isEqualTo("a");
  }

  @Test
  void whatIsNoModelIsNamed() throws Exception {
    Path text = Files.writeString(folder.resolve("x.gguf"), "GG");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertThatThrownBy(() -> ModelFile.find(text))
        .isInstanceOf(EngineException.class)
        .hasMessage(text + " is no GGUF file (expected: its first bytes are \"GGUF\")");
    assertThatThrownBy(() -> ModelFile.find(empty))
        .hasMessage("no *.gguf file in folder " + empty + " (expected: one)");
    assertThatThrownBy(() -> ModelFile.find(folder.resolve("none")))
        .hasMessageContaining("does not exist");
  }

  @Test
  void theLibraryOfThePlatform() {
    assertThat(NativeLibrary.resource("Linux", "amd64"))
        .isEqualTo("de/kherud/llama/Linux/x86_64/libjllama.so");
    assertThat(NativeLibrary.resource("Mac OS X", "aarch64"))
        .isEqualTo("de/kherud/llama/Mac/aarch64/libjllama.dylib");
    assertThat(NativeLibrary.cacheFolder(Map.of("XDG_CACHE_HOME", "/c", "HOME", "/h")))
        .isEqualTo(Path.of("/c/infini"));
    assertThat(NativeLibrary.cacheFolder(Map.of("HOME", "/h")))
        .isEqualTo(Path.of("/h/.cache/infini"));
  }

  /// llama.cpp has no flash attention over f32 on a CPU: it would end the process.
  @Test
  void flashAttentionHasItsCacheInHalfPrecision() {
    Llama.Shape small = new Llama.Shape("tiny", 1000, 2, 2, 64, 64, 2048);
    Engine.Patience patience = EngineSetup.DEFAULT_PATIENCE;
    EngineSetup usual = new EngineSetup(true, 4096, 16, 8, 512, 2, 0, false, false, patience);
    EngineSetup flash = new EngineSetup(true, 4096, 16, 8, 512, 2, 0, true, false, patience);
    assertThat(usual.layout(small).flashAttention()).isFalse();
    assertThat(usual.layout(small).halfCache()).isFalse();
    assertThat(flash.layout(small).flashAttention()).isTrue();
    assertThat(flash.layout(small).halfCache()).isTrue();
  }

  @Test
  void aCacheThatCannotFitIsRefusedBeforeItIsAllocated() {
    Llama.Shape large = new Llama.Shape("8B", 5_000_000_000L, 32, 32, 4096, 1024, 8192);
    EngineSetup setup = new EngineSetup(true, 131072, 16, 8, 512, 2, 10);
    Llama.Layout layout = setup.layout(large);
    assertThat(layout.microBatchTokens()).isEqualTo(64);
    MemoryNeed need = MemoryNeed.of(large, layout, 1000, 32000);
    assertThat(need.cache()).isEqualTo(2L * 131072 * 32 * 1024 * 2);
    assertThat(need.kept()).isEqualTo(2L * 1000 * 32 * 1024 * 2);
    assertThatThrownBy(() -> EngineProgram.checkMemory(need, OptionalLong.of(8L << 30)))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("cache 17179.9 MB")
        .hasMessageContaining("--num_blocks");
    assertThatCode(() -> EngineProgram.checkMemory(need, OptionalLong.of(64L << 30)))
        .doesNotThrowAnyException();
    assertThatCode(() -> EngineProgram.checkMemory(need, OptionalLong.empty()))
        .doesNotThrowAnyException();
  }
}
