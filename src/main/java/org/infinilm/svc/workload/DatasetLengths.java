package org.infinilm.svc.workload;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// Requests whose texts are filler and whose lengths are drawn. Deterministic for a seed.
final class DatasetLengths {
  private static final int DEFAULT_PROMPTS = 1000;

  /// Characters of prose for a token that no vocabulary of texts comes near.
  private static final int FAR_LONGER = 256;

  private DatasetLengths() {}

  /// Prompt and answer lengths uniform around what is asked for.
  static Workload random(Config c, @Nullable Tokenizer tokenizer) throws ConfigException {
    int n = c.find(WorkloadKeys.NUM_PROMPTS).orElse((long) DEFAULT_PROMPTS).intValue();
    SplittableRandom random = new SplittableRandom(c.get(WorkloadKeys.SEED));
    Filler filler = new Filler(c, n, tokenizer);
    double ratio = c.get(WorkloadKeys.RANDOM_RANGE_RATIO);
    List<LoadItem> items = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      long in = around(random, c.get(WorkloadKeys.RANDOM_INPUT_LEN), ratio);
      long out = around(random, c.get(WorkloadKeys.RANDOM_OUTPUT_LEN), ratio);
      items.add(LoadItem.of(filler.text(k, in), (int) out));
    }
    String generator =
        String.format(
            Locale.ROOT,
            "%d tokens in and %d out, each times 1 - %s .. 1 + %s, %s",
            c.get(WorkloadKeys.RANDOM_INPUT_LEN),
            c.get(WorkloadKeys.RANDOM_OUTPUT_LEN),
            ratio,
            ratio,
            filler.measure());
    return new Workload("random", null, Digest.of(items), generator, items);
  }

  /// Lengths of prompt and answer together by a [LengthCdf]: the answer gets `--random-output-len`,
  /// but at most half.
  static Workload cdf(Config c, @Nullable Tokenizer tokenizer) throws ConfigException {
    String from = c.find(WorkloadKeys.DATASET_PATH).orElse("azure");
    boolean builtIn = LengthCdf.BUILT_IN.containsKey(from);
    Path file = Path.of(from);
    LengthCdf cdf =
        builtIn ? LengthCdf.builtIn(from) : LengthCdf.parse(file, DatasetFile.read(file));
    int n = c.find(WorkloadKeys.NUM_PROMPTS).orElse((long) DEFAULT_PROMPTS).intValue();
    long most = c.find(WorkloadKeys.CDF_MAX_TOKENS).orElse(Long.MAX_VALUE);
    SplittableRandom random = new SplittableRandom(c.get(WorkloadKeys.SEED));
    Filler filler = new Filler(c, n, tokenizer);
    List<LoadItem> items = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      long total = Math.min(most, cdf.draw(random.nextDouble()));
      long out = Math.clamp(total / 2, 1, c.get(WorkloadKeys.RANDOM_OUTPUT_LEN));
      items.add(LoadItem.of(filler.text(k, Math.max(1, total - out)), (int) out));
    }
    String generator =
        String.format(
            Locale.ROOT,
            "lengths of %s, at most %s, at most %d out, %s",
            builtIn ? from : Digest.of(DatasetFile.read(file)),
            most == Long.MAX_VALUE ? "all" : most,
            c.get(WorkloadKeys.RANDOM_OUTPUT_LEN),
            filler.measure());
    return new Workload("cdf", from, Digest.of(items), generator, items);
  }

  private static long around(SplittableRandom random, long tokens, double ratio) {
    long low = Math.max(1, (long) Math.floor(tokens * (1 - ratio)));
    long high = Math.max(low, (long) Math.ceil(tokens * (1 + ratio)));
    return random.nextLong(low, high + 1);
  }

  /// Filler text by tokens; every prompt begins differently, so that no prefix is shared.
  static final class Filler {
    private final Random random;
    private final double bytesPerToken;
    private final int prompts;
    private final @Nullable Tokenizer tokenizer;
    private long written;

    Filler(Config c, int prompts, @Nullable Tokenizer tokenizer) throws ConfigException {
      this.random = new Random(c.get(WorkloadKeys.SEED));
      this.bytesPerToken = c.get(WorkloadKeys.BYTES_PER_TOKEN);
      this.prompts = prompts;
      this.tokenizer = tokenizer;
    }

    /// What a token is.
    String measure() {
      return tokenizer == null
          ? bytesPerToken + " bytes a token"
          : "tokens of a vocabulary, " + bytesPerToken + " bytes each at first";
    }

    String text(int index, long tokens) throws ConfigException {
      String text =
          tokenizer == null
              ? filler(index, Math.max(1, Math.rint(tokens * bytesPerToken)))
              : cut(tokenizer, index, tokens);
      written += text.length();
      return text;
    }

    private String cut(Tokenizer by, int index, long tokens) throws ConfigException {
      double characters = 16 + tokens * bytesPerToken;
      String text = filler(index, characters);
      for (int have = by.count(text); have < tokens; have = by.count(text)) {
        if (characters > FAR_LONGER * (tokens + 1)) {
          throw new ConfigException(
              "--tokenizer: "
                  + have
                  + " tokens of "
                  + text.length()
                  + " characters of prose (expected: a vocabulary of texts, or a smaller"
                  + " --bytes-per-token)");
        }
        characters *= 2;
        text = filler(index, characters);
      }
      return by.cut(text, (int) tokens);
    }

    private String filler(int index, double characters) throws ConfigException {
      if (written + characters > RequestBody.mostText()) {
        throw new ConfigException(
            prompts
                + " requests of these lengths"
                + RequestBody.tooMuch()
                + "; lower --num-prompts or the lengths");
      }
      String begin = "Request " + index + ". ";
      String all = begin + Prose.opening(index, (int) characters, random);
      return all.substring(0, (int) characters);
    }
  }
}
