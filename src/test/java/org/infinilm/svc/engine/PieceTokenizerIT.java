package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Long texts tokenised in pieces by llama.cpp: the same tokens as whole.
class PieceTokenizerIT {
  private static final List<String> WORDS =
      List.of(
          "the", "tin", "on", "there", "Zürich", "fog", "2024", "it's", "x1", "(a)", "naïve", "er");
  private static final List<String> ENDS = List.of(" ", " ", " ", "  ", "\n", "\n\n", ", ", ".\n");
  private static final String IDEOGRAPHS = "漢字中国語天地人山川。、";

  @TempDir Path folder;

  private static String text(long seed, boolean ideographs) {
    SplittableRandom random = new SplittableRandom(seed);
    StringBuilder out = new StringBuilder();
    while (out.length() < 6 * PieceTokenizer.PIECE_CHARS) {
      if (ideographs && random.nextInt(3) > 0) {
        for (int n = random.nextInt(300); n > 0; n--) {
          out.append(IDEOGRAPHS.charAt(random.nextInt(IDEOGRAPHS.length())));
        }
      } else {
        out.append(WORDS.get(random.nextInt(WORDS.size())))
            .append(ENDS.get(random.nextInt(ENDS.size())));
      }
    }
    return out.toString();
  }

  private static int[] inPieces(PieceTokenizer tokenizer, String text, boolean plain)
      throws Exception {
    return tokenizer.tokens(
        List.of(new PromptText.Part(text, plain)), true, Effort.alone(), sure -> {});
  }

  private static void same(NativeLlama llama) throws Exception {
    Vocabulary words = llama.vocabulary();
    PieceTokenizer tokenizer = new PieceTokenizer(words, words.pieces());
    List<String> texts = new ArrayList<>();
    for (int seed = 0; seed < 6; seed++) {
      texts.add(text(seed, seed % 2 == 1));
    }
    texts.add("漢".repeat(3 * PieceTokenizer.PIECE_CHARS));
    texts.add("天地".repeat(2 * PieceTokenizer.PIECE_CHARS));
    texts.add("one line\n".repeat(PieceTokenizer.PIECE_CHARS));
    texts.add("a".repeat(PieceTokenizer.PIECE_CHARS));
    for (String text : texts) {
      for (boolean plain : List.of(true, false)) {
        assertThat(inPieces(tokenizer, text, plain)).isEqualTo(words.tokenize(text, true, !plain));
      }
    }
  }

  /// Nothing is lost or added, and a cut makes few tokens more.
  private static void sameText(NativeLlama llama) throws Exception {
    Vocabulary words = llama.vocabulary();
    TokenTable table = new TokenTable(words);
    PieceTokenizer tokenizer = new PieceTokenizer(words, words.pieces());
    int pieces = 8;
    for (String one : List.of("the", "!", "7", "e\u0301", "\n", " ", "👩‍👩‍👧‍👦", "\u0301")) {
      String text = one.repeat(pieces / 2 * PieceTokenizer.PIECE_CHARS / one.length());
      int[] whole = words.tokenize(text, true);
      int[] cut = inPieces(tokenizer, text, false);
      assertThat(table.text(cut)).as("%s", one).isEqualTo(table.text(whole));
      assertThat(cut.length)
          .as("%s", one)
          .isBetween(whole.length, whole.length + pieces * PieceTokenizer.MOST_MORE);
    }
  }

  private static void everything(Path file) throws Exception {
    NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file);
    FutureTask<Void> work =
        new FutureTask<>(() -> {
          same(llama);
          sameText(llama);
          return null;
        });
    try {
      // whole texts take a frame of the stack for each character
      Thread.ofPlatform().stackSize(1 << 30).start(work);
      work.get();
    } finally {
      llama.close();
    }
  }

  @Test
  void theBundledModel() throws Exception {
    everything(Path.of(System.getProperty("infini.home", "."), "model", "infini-tiny.gguf"));
  }

  @Test
  void aVocabularyThatPutsASpaceBeforeATextAndHasBytesForIdeographs() throws Exception {
    everything(GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 7, null));
  }

  @Test
  void aVocabularyOfByteLevelPieces() throws Exception {
    everything(GgufWriter.writeQwen(folder.resolve("q.gguf"), GgufWriter.Size.TINY, 3));
  }

  @Test
  void noCutGoesThroughAControlToken() throws Exception {
    Path file = GgufWriter.writeQwen(folder.resolve("q.gguf"), GgufWriter.Size.TINY, 3);
    NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file);
    try {
      Vocabulary words = llama.vocabulary();
      PieceTokenizer tokenizer = new PieceTokenizer(words, words.pieces());
      String text = "x" + "<|im_start|>".repeat(2000);
      assertThat(inPieces(tokenizer, text, false)).isEqualTo(words.tokenize(text, true));
    } finally {
      llama.close();
    }
  }

  /// On a stack of the usual size this ended the process.
  @Test
  void runsOfEqualCharactersAreReadWithPatternsThatTakeAFrameForEach() throws Exception {
    Path file = GgufWriter.writeQwen(folder.resolve("q.gguf"), GgufWriter.Size.TINY, 3);
    NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file);
    try {
      Vocabulary words = llama.vocabulary();
      TokenTable table = new TokenTable(words);
      PieceTokenizer tokenizer = new PieceTokenizer(words, words.pieces());
      Reading reading = new Reading();
      for (String one : List.of("a", " ", "!", "-", "漢", "7")) {
        String text = one.repeat(60_000);
        for (int bytes : List.of(1, Reading.MIDDLE_BYTES, Integer.MAX_VALUE)) {
          int[] tokens =
              reading.read(bytes, () -> false, effort -> inPieces(tokenizer, text, false));
          assertThat(table.text(tokens)).isEqualTo(text);
        }
      }
    } finally {
      llama.close();
    }
  }
}
