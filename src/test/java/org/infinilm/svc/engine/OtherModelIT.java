package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A model of another architecture and another kind of vocabulary than the bundled one.
class OtherModelIT {
  private static final Sampling GREEDY = new Sampling(0, 1, 1, 0, 1, List.of(), true);

  @TempDir Path folder;

  @Test
  void aQwenModelWithByteLevelPiecesLoadsAndAnswers() throws Exception {
    Path file = GgufWriter.writeQwen(folder.resolve("q.gguf"), GgufWriter.Size.TINY, 3);
    EngineMetrics metrics = new EngineMetrics("q", 16, 32);
    Loaded loaded =
        new EngineSetup(true, 512, 16, 2, 20, 1, 4).load(file, metrics, System.getenv());
    String text = "the tin on the Zürich € 😀";
    int[] prompt = loaded.vocabulary().tokenize(text, true);
    assertThat(loaded.table().text(prompt)).isEqualTo(text);
    assertThat(prompt.length)
        .as("merged pieces")
        .isLessThan(text.getBytes(StandardCharsets.UTF_8).length - 6);
    assertThat(loaded.vocabulary().tokenize("<|im_end|>", true)).hasSize(1);
    assertThat(loaded.table().isEnd(loaded.vocabulary().tokenize("<|im_end|>", true)[0])).isTrue();
    assertThat(loaded.vocabulary().prompt(List.of(new Vocabulary.Message("user", "hi")), true))
        .isEqualTo("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    Job first = loaded.engine().submit(prompt, 12, GREEDY).orElseThrow();
    String answer = answer(first);
    Job again = loaded.engine().submit(prompt, 12, GREEDY).orElseThrow();
    assertThat(answer(again)).isEqualTo(answer).isNotEmpty();
    assertThat(again.cachedTokens()).isEqualTo((prompt.length - 1) / 16 * 16);
    loaded.engine().stop();
  }

  private static String answer(Job job) throws InterruptedException {
    StringBuilder text = new StringBuilder();
    while (true) {
      switch (job.next()) {
        case Job.Event.Text more -> text.append(more.text());
        case Job.Event.End end -> {
          assertThat(end).isEqualTo(new Job.Event.End("length", 12));
          return text.toString();
        }
        case Job.Event.Broken broken -> throw new AssertionError(broken);
      }
    }
  }
}
