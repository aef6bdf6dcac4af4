package org.infinilm.svc.workload;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// A model's tokenizer from its `tokenizer.json`, by Hugging Face's library: counts the tokens of a
/// text, and cuts a text to a number of them. Without special tokens and chat template.
/// Thread-safe; nothing is fetched from anywhere.
public final class Tokenizer implements AutoCloseable {
  private static final String FILE = "tokenizer.json";
  private static final long MOST_BYTES = 256L << 20;
  private static final int MOST_TRIES = 8;

  private final HuggingFaceTokenizer library;

  private Tokenizer(HuggingFaceTokenizer library) {
    this.library = library;
  }

  /// Null when none is named.
  public static @Nullable Tokenizer of(Config c, Map<String, String> env) throws ConfigException {
    String named = c.find(WorkloadKeys.TOKENIZER).orElse(null);
    return named == null ? null : of(named, cacheFolder(env));
  }

  /// @param named a `tokenizer.json`, or a folder that holds one
  /// @param cache where the library unpacks its native part
  public static Tokenizer of(String named, Path cache) throws ConfigException {
    Path given = Path.of(named);
    Path file = Files.isDirectory(given) ? given.resolve(FILE) : given;
    String expected =
        " (expected: a Hugging Face tokenizer.json of at most 256 MiB, or a folder that holds one;"
            + " nothing is fetched)";
    try {
      if (!Files.isRegularFile(file) || Files.size(file) > MOST_BYTES) {
        throw new ConfigException("--tokenizer: " + named + expected);
      }
      prepare(cache);
      return new Tokenizer(
          HuggingFaceTokenizer.builder()
              .optTokenizerPath(file)
              .optAddSpecialTokens(false)
              .optTruncation(false)
              .optPadding(false)
              .build());
    } catch (IOException | RuntimeException e) {
      throw new ConfigException("--tokenizer: " + named + expected + ": " + e.getMessage());
    } catch (LinkageError e) {
      throw new ConfigException(
          "--tokenizer: its library does not run here (expected: Linux on x86-64 or ARM, macOS on"
              + " ARM, Windows on x86-64): "
              + e.getMessage());
    }
  }

  /// The library reads these where it starts: it unpacks into our folder, looks for no accelerator,
  /// fetches nothing, reports to nobody and logs no steps.
  private static void prepare(Path cache) {
    System.setProperty("DJL_CACHE_DIR", cache.toString());
    System.setProperty("RUST_FLAVOR", "cpu");
    System.setProperty("org.slf4j.simpleLogger.log.ai.djl", "warn");
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
  }

  private static Path cacheFolder(Map<String, String> env) {
    String xdg = env.getOrDefault("XDG_CACHE_HOME", "");
    Path base = xdg.isBlank() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(xdg);
    return base.resolve("infini");
  }

  public int count(String text) {
    return encode(text).getIds().length;
  }

  private Encoding encode(String text) {
    return library.encode(text, false, false);
  }

  /// The beginning of `text` that has `tokens` tokens, or a few less where no cut has as many; all
  /// of it when it has fewer.
  String cut(String text, int tokens) {
    CharSpan[] spans = encode(text).getCharTokenSpans();
    if (spans.length <= tokens) {
      return text;
    }
    String best = "";
    int most = 0;
    for (int k = tokens - 1; k >= 0 && k >= tokens - MOST_TRIES && most < tokens; k--) {
      CharSpan span = spans[k];
      if (span != null) {
        String beginning = text.substring(0, Math.min(text.length(), span.getEnd()));
        int n = count(beginning);
        if (n <= tokens && n > most) {
          best = beginning;
          most = n;
        }
      }
    }
    return best;
  }

  @Override
  public void close() {
    library.close();
  }
}
