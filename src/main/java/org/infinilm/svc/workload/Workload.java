package org.infinilm.svc.workload;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// What a run sends, in order.
///
/// @param dataset its name
/// @param path the file it came from; null for none
/// @param sha256 of the file, or of what was generated
/// @param generator how lengths and texts were drawn, all but the seed, in words that are the same
///   for the same distribution; null for what was read from a file
public record Workload(
    String dataset,
    @Nullable String path,
    String sha256,
    @Nullable String generator,
    List<LoadItem> items) {

  public Workload {
    items = List.copyOf(items);
  }

  /// The hash of what each request asks, in order: texts and lengths of answers. The same hash is
  /// the same workload.
  public String requestsSha256() {
    return Digest.of(items);
  }

  /// @param tokenizer what generated lengths are counted by; null for bytes
  public static Workload of(Config c, @Nullable Tokenizer tokenizer) throws ConfigException {
    return switch (c.get(WorkloadKeys.DATASET_NAME)) {
      case "custom" -> DatasetFile.custom(c);
      case "random" -> DatasetLengths.random(c, tokenizer);
      case "cdf" -> DatasetLengths.cdf(c, tokenizer);
      case "sharegpt" -> DatasetShareGpt.of(c);
      default -> DatasetConversation.of(c);
    };
  }

  /// `--num-prompts` of the items: cut, or repeated from the beginning.
  static List<LoadItem> sized(Config c, List<LoadItem> items) throws ConfigException {
    List<LoadItem> from = items;
    if (c.get(WorkloadKeys.SHUFFLE) && !c.get(WorkloadKeys.DISABLE_SHUFFLE)) {
      from = new ArrayList<>(items);
      Collections.shuffle(from, new Random(c.get(WorkloadKeys.SEED)));
    }
    int n = c.find(WorkloadKeys.NUM_PROMPTS).orElse((long) from.size()).intValue();
    List<LoadItem> out = new ArrayList<>(n);
    for (int k = 0; k < n; k++) {
      out.add(from.get(k % from.size()));
    }
    return out;
  }

  /// The hash of a data set's file, of any size.
  public static String sha256(Path file) throws IOException {
    return Digest.of(file);
  }
}
