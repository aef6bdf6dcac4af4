package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The native calls against a model of random weights.
class NativeLlamaIT {
  @TempDir Path folder;
  private NativeLlama llama;

  @BeforeEach
  void load() throws Exception {
    Path file = GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 7, null);
    llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file);
    llama.open(new Llama.Layout(256, 64, 32, 4, 2, false, false));
  }

  @AfterEach
  void close() {
    llama.close();
  }

  @Test
  void tokensGiveTheTextBack() {
    String text = "ab hello, Zürich € 😀";
    int[] tokens = llama.vocabulary().tokenize(text, true);
    assertThat(tokens[0]).isEqualTo(1);
    assertThat(new TokenTable(llama.vocabulary()).text(tokens)).isEqualTo(" " + text);
    assertThat(llama.vocabulary().isEnd(2)).isTrue();
    assertThat(llama.vocabulary().isEnd(5)).isFalse();
  }

  @Test
  void aModelWithoutTemplateIsAskedInChatMl() {
    assertThat(llama.vocabulary().prompt(List.of(new Vocabulary.Message("user", "hi")), true))
        .isEqualTo("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  }

  @Test
  void aSharedPrefixTakesNoCellsAndGivesTheSameLogits() {
    float[] alone = run(0, 0, 20);
    assertThat(llama.usedCells()).isEqualTo(20);
    llama.share(0, 1, 0, 19);
    assertThat(llama.usedCells()).isEqualTo(20);
    float[] shared = run(1, 19, 20);
    assertThat(llama.usedCells()).isEqualTo(21);
    assertThat(shared).hasSize(alone.length);
    for (int i = 0; i < alone.length; i++) {
      assertThat(shared[i]).isCloseTo(alone[i], org.assertj.core.data.Offset.offset(1e-3f));
    }
    llama.trim(0, 0);
    assertThat(llama.usedCells()).isEqualTo(20);
    llama.trim(1, 0);
    assertThat(llama.usedCells()).isZero();
  }

  @Test
  void aFullCacheSaysSoAndStoresNothing() {
    for (int i = 0; i < 4; i++) {
      run(0, i * 60, i * 60 + 60);
    }
    Batch b = new Batch(64);
    for (int i = 240; i < 300; i++) {
      b.add(5, i, 0, false);
    }
    assertThat(llama.decode(b)).isEqualTo(Llama.Decoded.NO_CELLS);
    assertThat(llama.usedCells()).isEqualTo(240);
  }

  /// Every other cell of the cache is free: the count of free cells says that a batch fits, the
  /// library finds no run for it.
  @Test
  void holesBetweenCellsAreNoRoomUntilTheyAreMovedTogether() {
    EngineMetrics metrics = new EngineMetrics("m", true, 16, 16);
    Decoder decoder = new Decoder(llama, metrics);
    for (int i = 0; i < 128; i += 32) {
      Batch b = new Batch(64);
      for (int k = i; k < i + 32; k++) {
        b.add(259 + k % 26, k, 0, false);
        b.add(259 + k % 26, k, 1, false);
      }
      assertThat(llama.decode(b)).isEqualTo(Llama.Decoded.DONE);
    }
    float[] before = again(0, 127);
    llama.trim(1, 0);
    assertThat(llama.usedCells()).isEqualTo(128);
    Batch forty = new Batch(40);
    for (int i = 0; i < 40; i++) {
      forty.add(259 + i % 26, i, 2, i == 39);
    }
    assertThat(llama.decode(forty)).as("128 cells are free").isEqualTo(Llama.Decoded.NO_CELLS);
    assertThat(llama.usedCells()).isEqualTo(128);
    int[] computed = new int[1];
    assertThat(decoder.run(forty, (entry, index) -> computed[0]++)).isTrue();
    assertThat(computed[0]).isEqualTo(1);
    assertThat(llama.usedCells()).isEqualTo(168);
    MetricsPage page = MetricsPage.read(new String(metrics.scrape(), StandardCharsets.UTF_8));
    assertThat(page.value("infini_engine_defragmentations_total")).isEqualTo(1);
    assertThat(page.value("infini_engine_halvings_total")).isZero();
    float[] after = again(0, 127);
    for (int i = 0; i < after.length; i++) {
      assertThat(after[i]).isCloseTo(before[i], org.assertj.core.data.Offset.offset(1e-3f));
    }
  }

  @Test
  void aBrokenFileIsRefused() throws Exception {
    Path broken = Files.writeString(folder.resolve("broken.gguf"), "GGUF and then nothing");
    Path library = NativeLibrary.unpack(Map.of("XDG_CACHE_HOME", folder.resolve("c").toString()));
    assertThat(library).isRegularFile().hasFileName("libjllama.so");
    assertThatThrownBy(() -> NativeLlama.load(library, broken))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("broken.gguf");
  }

  /// The logits of a sequence's position computed anew.
  private float[] again(int sequence, int position) {
    llama.trim(sequence, position);
    return run(sequence, position, position + 1);
  }

  private float[] run(int sequence, int from, int to) {
    Batch b = new Batch(64);
    for (int i = from; i < to; i++) {
      b.add(259 + i % 26, i, sequence, i == to - 1);
    }
    assertThat(llama.decode(b)).isEqualTo(Llama.Decoded.DONE);
    float[] logits = new float[llama.vocabulary().size()];
    llama.logits(b.size - 1, logits);
    return logits;
  }
}
