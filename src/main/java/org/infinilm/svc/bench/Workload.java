package org.infinilm.svc.bench;

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
/// @param sha256 of the file, or of what was generated; the same hash is the same workload
record Workload(String dataset, @Nullable String path, String sha256, List<LoadItem> items) {

  Workload {
    items = List.copyOf(items);
  }

  /// @param tokenizer what generated lengths are counted by; null for bytes
  static Workload of(Config c, @Nullable Tokenizer tokenizer) throws ConfigException {
    return switch (c.get(BenchKeys.DATASET_NAME)) {
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
    if (c.get(BenchKeys.SHUFFLE) && !c.get(BenchKeys.DISABLE_SHUFFLE)) {
      from = new ArrayList<>(items);
      Collections.shuffle(from, new Random(c.get(BenchKeys.SEED)));
    }
    int n = c.find(BenchKeys.NUM_PROMPTS).orElse((long) from.size()).intValue();
    List<LoadItem> out = new ArrayList<>(n);
    for (int k = 0; k < n; k++) {
      out.add(from.get(k % from.size()));
    }
    return out;
  }

  /// Send times of the items that wait for no answer; null for a closed loop.
  static long @Nullable [] plan(BenchOptions o, List<LoadItem> items) throws ConfigException {
    List<LoadItem> starts = starts(items);
    int n = starts.size();
    if (o.arrival() == ArrivalPlan.Kind.REPLAY) {
      double[] at = new double[n];
      for (int k = 0; k < n; k++) {
        at[k] = starts.get(k).timestampSeconds();
        if (Double.isNaN(at[k])) {
          throw new ConfigException(
              "--arrival: replay, but request "
                  + (k + 1)
                  + " of the data set has no timestamp (expected: a number in every line)");
        }
      }
      return ArrivalPlan.replay(at, o.replaySpeed());
    }
    double rate = o.rate() * n / items.size();
    if (o.arrival() == ArrivalPlan.Kind.CLOSED) {
      return null;
    }
    long[] at =
        o.arrival() == ArrivalPlan.Kind.CONSTANT
            ? ArrivalPlan.constant(n, rate)
            : Double.isInfinite(rate)
                ? ArrivalPlan.atOnce(n)
                : ArrivalPlan.gamma(n, rate, o.burstiness(), o.seed());
    return ArrivalPlan.rampedUp(at, o.rampUp().toNanos());
  }

  private static List<LoadItem> starts(List<LoadItem> items) {
    List<LoadItem> out = new ArrayList<>();
    java.util.Set<Integer> begun = new java.util.HashSet<>();
    for (LoadItem i : items) {
      if (i.conversation() < 0 || begun.add(i.conversation())) {
        out.add(i);
      }
    }
    return out;
  }
}
