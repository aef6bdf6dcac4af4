package org.infinilm.svc.workload;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.config.Key;

/// The settings of what is sent and when, named as vLLM's bench names them where it has them.
public final class WorkloadKeys {
  static final List<String> DATASETS =
      List.of("custom", "random", "conversation", "sharegpt", "cdf");

  public static final Key<String> TOKENIZER =
      Key.text(
          "tokenizer",
          null,
          "Hugging Face tokenizer.json, or a folder that holds one: generated prompts of random and"
              + " cdf have exactly the tokens asked for, and answers without usage are counted by"
              + " it. Nothing is fetched.");
  public static final Key<String> DATASET_NAME =
      Key.oneOf("dataset_name", "random", DATASETS, "Where requests come from.").shownFirst();
  public static final Key<String> DATASET_PATH =
      Key.text(
              "dataset_path",
              null,
              "File of the data set; for cdf also azure or agent-heavy, which are built in.")
          .shownFirst();
  public static final Key<Boolean> SHUFFLE =
      Key.flag("shuffle", false, "Shuffle a data set by --seed before it is cut to length.");
  public static final Key<Boolean> DISABLE_SHUFFLE =
      Key.flag("disable_shuffle", false, "Accepted for vLLM's sake: file order is the default.");
  public static final Key<Long> NUM_PROMPTS =
      Key.whole(
              "num_prompts",
              null,
              1,
              10_000_000,
              "Requests to send. Default: all of a file, 1000 of random, cdf.")
          .shownFirst();
  public static final Key<Long> SEED =
      Key.whole("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE, "Same seed, same workload.");
  public static final Key<Long> CUSTOM_OUTPUT_LEN =
      Key.whole(
          "custom_output_len",
          256L,
          -1,
          1 << 20,
          "Most answer tokens of custom; -1: each line's output_tokens.");
  public static final Key<Long> SHAREGPT_OUTPUT_LEN =
      Key.whole(
          "sharegpt_output_len",
          null,
          1,
          1 << 20,
          "Most answer tokens of sharegpt. Default: as long as the recorded answer.");
  public static final Key<Long> RANDOM_INPUT_LEN =
      Key.whole("random_input_len", 1024L, 1, 1 << 22, "Prompt tokens of random, about.")
          .shownFirst();
  public static final Key<Long> RANDOM_OUTPUT_LEN =
      Key.whole("random_output_len", 128L, 1, 1 << 20, "Answer tokens of random, cdf.")
          .shownFirst();
  public static final Key<Double> RANDOM_RANGE_RATIO =
      Key.number(
          "random_range_ratio",
          0.0,
          0,
          0.999999,
          "Lengths of random are drawn from length x (1 - ratio .. 1 + ratio).");
  public static final Key<Double> BYTES_PER_TOKEN =
      Key.number(
          "bytes_per_token",
          4.0,
          0.1,
          100,
          "Length of generated text for one token, without --tokenizer.");
  public static final Key<Long> CDF_MAX_TOKENS =
      Key.whole("cdf_max_tokens", null, 2, 1 << 24, "Longer draws of cdf are cut to this.");
  public static final Key<Long> NUM_CONVERSATIONS =
      Key.whole("num_conversations", 4L, 1, 1_000_000, "Generated conversations.");
  public static final Key<Long> MESSAGES_PER_CONV =
      Key.whole("messages_per_conv", 4L, 1, 1000, "Turns of a generated conversation.");
  public static final Key<Long> CONTEXT_LEN =
      Key.whole("context_len", 1024L, 1, 1 << 26, "Characters of a generated first message.");
  public static final Key<Long> NEW_MSG_LEN =
      Key.whole("new_msg_len", 128L, 1, 1 << 26, "Characters of each later message.");
  public static final Key<Double> REQUEST_RATE =
      new Key<>(
              "request_rate",
              new Key.Type<>("R|inf", WorkloadKeys::rate),
              null,
              List.of(),
              false,
              "Requests a second; inf: no waiting. Default: inf.")
          .shownFirst();
  public static final Key<Double> BURSTINESS =
      Key.number(
          "burstiness",
          1.0,
          1e-3,
          1e6,
          "Shape of the gamma distributed gaps: 1 is Poisson, less comes in bursts.");
  public static final Key<String> ARRIVAL =
      Key.oneOf(
          "arrival",
          null,
          List.of("poisson", "constant", "replay", "closed"),
          "When requests are sent. Default: poisson with a rate; without one all at once, or closed"
              + " with --max-concurrency.");
  public static final Key<Double> REPLAY_SPEED =
      Key.number("replay_speed", 1.0, 1e-6, 1e6, "Recorded seconds a second for replay.");
  public static final Key<String> TIMESTAMP_UNIT =
      Key.oneOf("timestamp_unit", "s", List.of("s", "ms"), "Unit of timestamp in a data set.");
  public static final Key<Duration> RAMP_UP =
      Key.seconds(
          "ramp_up",
          0.0,
          0,
          "Time in which the rate, or the concurrency of a closed loop, grows to what was asked"
              + " for; requests due meanwhile are sent, marked and in no figure.");

  private WorkloadKeys() {}

  private static Double rate(String text) {
    String t = text.strip();
    return t.equalsIgnoreCase("inf")
        ? (Double) Double.POSITIVE_INFINITY
        : bounded(t, 1e-6, 1e7, "inf, or requests a second 0.000001..10000000");
  }

  private static Double bounded(String text, double min, double max, String expected) {
    try {
      double v = Double.parseDouble(text.strip());
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException("(expected: " + expected + ")");
  }
}
