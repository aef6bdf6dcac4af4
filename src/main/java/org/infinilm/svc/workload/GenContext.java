package org.infinilm.svc.workload;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.workload.LargeContext.Sample;
import org.jspecify.annotations.Nullable;

/// What the dataset generators share: their numbers, the file they write, the sizes they count.
final class GenContext {
  /// The model name that a request's size is counted with.
  static final String MODEL = "9g_8b_thinking";

  static final int MOST_CONVERSATIONS = 1_000_000;
  static final int MOST_MESSAGES = 100_000;
  static final int MOST_LENGTH = 100_000_000;
  private static final double MOST_CHARACTERS = 4e9;

  private GenContext() {}

  /// A value that the generators parse themselves: a bad one is an answer (exit 1), not a usage
  /// error.
  static Key<String> raw(String name, String label, @Nullable String fallback, String doc) {
    return new Key<>(name, new Key.Type<>(label, s -> s), fallback, List.of(), false, doc);
  }

  static int whole(Program.Args args, Key<String> key, int min, int max) throws ConfigException {
    return (int) number(args, key, min, max);
  }

  /// @throws IllegalArgumentException naming the flag, the value and the range
  static long number(Program.Args args, Key<String> key, long min, long max)
      throws ConfigException {
    String text = args.config().get(key);
    try {
      long v = Long.parseLong(text.strip());
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(
        key.flagName() + ": " + text + " (expected: a whole number " + min + ".." + max + ")");
  }

  /// @throws IllegalArgumentException when the plan's file could fill a disk
  static LargeContext bounded(LargeContext plan) {
    if (plan.mostCharacters() > MOST_CHARACTERS) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "these settings could write %.1f GB (expected: at most %.0f GB); lower --num-conversations, --messages-per-conv or a length",
              plan.mostCharacters() / 1e9,
              MOST_CHARACTERS / 1e9));
    }
    return plan;
  }

  /// What was written: requests, and how many of them are larger than the threshold.
  static final class Count {
    private final long thresholdBytes;
    final int[] aboveOf;
    int all;
    int above;
    int aboveByText;
    long smallestBytes = Long.MAX_VALUE;
    long largestBytes;

    Count(int conversations, long thresholdBytes) {
      this.thresholdBytes = thresholdBytes;
      this.aboveOf = new int[conversations];
    }

    void add(Sample s) {
      long body = s.bodyBytes(MODEL);
      all++;
      if (body > thresholdBytes) {
        above++;
        aboveOf[s.conversation()]++;
      }
      aboveByText += s.textBytes() > thresholdBytes ? 1 : 0;
      smallestBytes = Math.min(smallestBytes, body);
      largestBytes = Math.max(largestBytes, body);
    }
  }

  /// Writes one line a sample; the file appears whole or not at all.
  static void write(LargeContext plan, Path output, Count count, Function<Sample, String> line)
      throws IOException {
    if (Files.isDirectory(output)) {
      throw new FileSystemException(output.toString(), null, "it is a folder (expected: a file)");
    }
    Path partial = output.resolveSibling(output.getFileName() + ".part");
    try {
      try (BufferedWriter writer = Files.newBufferedWriter(partial)) {
        plan.generate(s -> {
          try {
            writer.write(line.apply(s));
            writer.write('\n');
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
          count.add(s);
        });
      } catch (UncheckedIOException e) {
        throw e.getCause();
      }
      Files.move(partial, output, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }
}
