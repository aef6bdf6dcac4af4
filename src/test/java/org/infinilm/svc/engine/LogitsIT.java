package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The bundled model's logits do not depend on what else is computed or how the cache was filled.
/// Kernels sum in another order for another shape of a batch, so they agree within a bound; where
/// the best token leads by more than twice that, it is the same token.
class LogitsIT {
  private static final float BOUND = 1e-3f;
  private static final int ANSWER = 3;

  /// What a prompt gives alone: the logits of its last token and of the tokens after it.
  private record Alone(int[] tokens, int promptTokens, List<float[]> logits) {}

  private static NativeLlama llama;
  private static Decoder decoder;
  private static final List<Alone> ALONE = new ArrayList<>();

  @BeforeAll
  static void load() throws Exception {
    llama =
        NativeLlama.load(
            NativeLibrary.unpack(System.getenv()), Path.of("model", "infini-tiny.gguf"));
    EngineSetup setup = new EngineSetup(true, 4096, 16, 8, 20, 1, 16);
    llama.open(setup.layout(llama.shape()));
    decoder = new Decoder(llama, new EngineMetrics("m", true, 16, 256));
    for (String prompt : prompts()) {
      ALONE.add(alone(llama.vocabulary().tokenize(prompt, true)));
    }
  }

  @AfterEach
  void empty() {
    for (int sequence = 0; sequence < 8; sequence++) {
      llama.trim(sequence, 0);
    }
    assertThat(llama.usedCells()).isZero();
  }

  @AfterAll
  static void close() {
    llama.close();
  }

  private static List<String> prompts() throws IOException {
    try (InputStream in = LogitsIT.class.getResourceAsStream("prompts.txt")) {
      byte[] all = Objects.requireNonNull(in).readAllBytes();
      List<String> lines = new String(all, StandardCharsets.UTF_8).lines().toList();
      assertThat(lines).hasSize(50).doesNotHaveDuplicates();
      return lines;
    }
  }

  private static Alone alone(int[] prompt) {
    int[] tokens = Arrays.copyOf(prompt, prompt.length + ANSWER);
    List<float[]> logits = new ArrayList<>();
    for (int i = 0; i <= ANSWER; i++) {
      int to = prompt.length + i;
      logits.add(run(0, tokens, i == 0 ? 0 : to - 1, to));
      if (i < ANSWER) {
        tokens[to] = best(logits.get(i));
      }
    }
    llama.trim(0, 0);
    return new Alone(tokens, prompt.length, logits);
  }

  /// Computes a run of tokens and gives the logits of the last.
  private static float[] run(int sequence, int[] tokens, int from, int to) {
    Batch b = decoder.batch(512);
    for (int i = from; i < to; i++) {
      b.add(tokens[i], i, sequence, i == to - 1);
    }
    float[] logits = new float[llama.vocabulary().size()];
    assertThat(decoder.run(b, (entry, index) -> llama.logits(index, logits))).isTrue();
    return logits;
  }

  private static int best(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  private static void same(float[] seen, float[] alone, String what) {
    int best = best(alone);
    float lead = Float.MAX_VALUE;
    float most = 0;
    for (int i = 0; i < alone.length; i++) {
      most = Math.max(most, Math.abs(seen[i] - alone[i]));
      lead = i == best ? lead : Math.min(lead, alone[best] - alone[i]);
    }
    assertThat(most).as(what).isLessThanOrEqualTo(BOUND);
    if (lead > 2 * BOUND) {
      assertThat(best(seen)).as(what).isEqualTo(best);
    }
  }

  @Test
  void inABatchOfEight() {
    for (int group = 0; group < ALONE.size(); group += 8) {
      List<Alone> eight = ALONE.subList(group, Math.min(group + 8, ALONE.size()));
      for (int step = 0; step <= ANSWER; step++) {
        Batch b = decoder.batch(512);
        for (int s = 0; s < eight.size(); s++) {
          int to = eight.get(s).promptTokens() + step;
          for (int i = step == 0 ? 0 : to - 1; i < to; i++) {
            b.add(eight.get(s).tokens()[i], i, s, i == to - 1);
          }
        }
        int now = step;
        float[] logits = new float[llama.vocabulary().size()];
        assertThat(
                decoder.run(
                    b,
                    (entry, index) -> {
                      llama.logits(index, logits);
                      same(logits, eight.get(b.sequences[entry]).logits().get(now), "batch");
                    }))
            .isTrue();
      }
      for (int s = 0; s < eight.size(); s++) {
        llama.trim(s, 0);
      }
    }
  }

  @Test
  void afterASharedPrefix() {
    for (Alone a : ALONE) {
      run(0, a.tokens(), 0, a.promptTokens());
      for (int s = 1; s <= ANSWER; s++) {
        int shared = (a.promptTokens() - 1) * s / ANSWER;
        llama.share(0, s, 0, shared);
        for (int step = 0; step <= ANSWER; step++) {
          int to = a.promptTokens() + step;
          same(
              run(s, a.tokens(), step == 0 ? shared : to - 1, to),
              a.logits().get(step),
              "shared " + shared + " of " + a.promptTokens());
        }
      }
      for (int s = 0; s <= ANSWER; s++) {
        llama.trim(s, 0);
      }
    }
  }

  @Test
  void afterBeingKeptBesideTheCells() {
    int[] filler = llama.vocabulary().tokenize("The town lay at the edge of a forest.", true);
    for (Alone a : ALONE) {
      int half = (a.promptTokens() + 1) / 2 - (a.promptTokens() == 1 ? 1 : 0);
      if (half == 0) {
        continue;
      }
      run(0, a.tokens(), 0, half);
      try (Llama.Saved saved = llama.save(0)) {
        llama.trim(0, 0);
        run(1, filler, 0, filler.length);
        assertThat(llama.restore(saved, 2)).isTrue();
      }
      assertThat(llama.usedCells()).isEqualTo(filler.length + half);
      same(run(2, a.tokens(), half, a.promptTokens()), a.logits().getFirst(), "copied back");
      llama.trim(1, 0);
      llama.trim(2, 0);
    }
  }

  @Test
  void afterDefragmentation() {
    int[] filler = llama.vocabulary().tokenize("The town lay at the edge of a forest.", true);
    for (Alone a : ALONE) {
      int half = a.promptTokens() / 2;
      run(1, filler, 0, filler.length);
      if (half > 0) {
        run(0, a.tokens(), 0, half);
      }
      run(2, filler, 0, filler.length);
      llama.trim(1, 0);
      llama.defragment();
      same(run(0, a.tokens(), half, a.promptTokens()), a.logits().getFirst(), "moved");
      llama.trim(2, 0);
      llama.defragment();
      for (int step = 1; step <= ANSWER; step++) {
        int to = a.promptTokens() + step;
        same(run(0, a.tokens(), to - 1, to), a.logits().get(step), "moved again");
      }
      llama.trim(0, 0);
    }
  }
}
