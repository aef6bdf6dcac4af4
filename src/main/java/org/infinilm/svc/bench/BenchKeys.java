package org.infinilm.svc.bench;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.tls.TlsSettings;

/// The settings of `infini bench`, named as vLLM's bench names them where it has them.
final class BenchKeys {
  static final List<String> BACKENDS = List.of("openai", "openai-chat");
  static final List<String> DATASETS =
      List.of("custom", "random", "conversation", "sharegpt", "cdf");

  static final Key<String> BACKEND =
      Key.oneOf(
          "backend",
          "openai-chat",
          BACKENDS,
          "What is sent: openai sends prompt, openai-chat sends messages.");
  static final Key<String> URL =
      Key.text(
              "url",
              null,
              "Address of the router or server, http://host:port or https://host:port.")
          .shownFirst();
  static final Key<String> BASE_URL = Key.text("base_url", null, "The same as --url.");
  static final Key<String> HOST = Key.text("host", "127.0.0.1", "Host, when no --url is given.");
  static final Key<Integer> PORT = Key.port("port", 8000, "Port, when no --url is given.");
  static final Key<String> API_KEY =
      Key.text(
          "api_key",
          null,
          "Sent as a bearer token to --url alone, shown nowhere. Default: OPENAI_API_KEY, which the"
              + " list of processes does not show.");
  static final Key<String> CA_FILE =
      Key.text("ca_file", null, "PEM certificates to believe of an https --url. Default: Java's.");
  static final Key<String> TLS_SERVER_NAME =
      Key.text("tls_server_name", null, "Name in the certificate, when not the host of --url.");
  static final Key<String> ENDPOINT =
      Key.text(
          "endpoint",
          null,
          "Path of the requests. Default: /v1/chat/completions, of the openai backend"
              + " /v1/completions.");
  static final Key<String> MODEL =
      Key.text("model", null, "Model name. Default: the first that the server offers.")
          .shownFirst();
  static final Key<String> SERVED_MODEL_NAME =
      Key.text("served_model_name", null, "Model name in requests, when not --model.");
  static final Key<String> TOKENIZER =
      Key.text(
          "tokenizer",
          null,
          "Hugging Face tokenizer.json, or a folder that holds one: generated prompts of random and"
              + " cdf have exactly the tokens asked for, and answers without usage are counted by"
              + " it. Nothing is fetched.");

  static final Key<String> DATASET_NAME =
      Key.oneOf("dataset_name", "random", DATASETS, "Where requests come from.").shownFirst();
  static final Key<String> DATASET_PATH =
      Key.text(
              "dataset_path",
              null,
              "File of the data set; for cdf also azure or agent-heavy, which are built in.")
          .shownFirst();
  static final Key<Boolean> SHUFFLE =
      Key.flag("shuffle", false, "Shuffle a data set by --seed before it is cut to length.");
  static final Key<Boolean> DISABLE_SHUFFLE =
      Key.flag("disable_shuffle", false, "Accepted for vLLM's sake: file order is the default.");
  static final Key<Long> NUM_PROMPTS =
      Key.whole(
              "num_prompts",
              null,
              1,
              10_000_000,
              "Requests to send. Default: all of a file, 1000 of random, cdf.")
          .shownFirst();
  static final Key<Long> SEED =
      Key.whole("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE, "Same seed, same workload.");
  static final Key<Long> CUSTOM_OUTPUT_LEN =
      Key.whole(
          "custom_output_len",
          256L,
          -1,
          1 << 20,
          "Most answer tokens of custom; -1: each line's output_tokens.");
  static final Key<Long> SHAREGPT_OUTPUT_LEN =
      Key.whole(
          "sharegpt_output_len",
          null,
          1,
          1 << 20,
          "Most answer tokens of sharegpt. Default: as long as the recorded answer.");
  static final Key<Long> RANDOM_INPUT_LEN =
      Key.whole("random_input_len", 1024L, 1, 1 << 22, "Prompt tokens of random, about.")
          .shownFirst();
  static final Key<Long> RANDOM_OUTPUT_LEN =
      Key.whole("random_output_len", 128L, 1, 1 << 20, "Answer tokens of random, cdf.")
          .shownFirst();
  static final Key<Double> RANDOM_RANGE_RATIO =
      Key.number(
          "random_range_ratio",
          0.0,
          0,
          0.999999,
          "Lengths of random are drawn from length x (1 - ratio .. 1 + ratio).");
  static final Key<Double> BYTES_PER_TOKEN =
      Key.number(
          "bytes_per_token",
          4.0,
          0.1,
          100,
          "Length of generated text for one token, without --tokenizer.");
  static final Key<Long> CDF_MAX_TOKENS =
      Key.whole("cdf_max_tokens", null, 2, 1 << 24, "Longer draws of cdf are cut to this.");
  static final Key<Long> NUM_CONVERSATIONS =
      Key.whole("num_conversations", 4L, 1, 1_000_000, "Generated conversations.");
  static final Key<Long> MESSAGES_PER_CONV =
      Key.whole("messages_per_conv", 4L, 1, 1000, "Turns of a generated conversation.");
  static final Key<Long> CONTEXT_LEN =
      Key.whole("context_len", 1024L, 1, 1 << 26, "Characters of a generated first message.");
  static final Key<Long> NEW_MSG_LEN =
      Key.whole("new_msg_len", 128L, 1, 1 << 26, "Characters of each later message.");
  static final Key<Duration> THINK_TIME =
      Key.seconds("think_time", 0.0, 0, "Time between an answer and the next turn.");
  static final Key<Boolean> IGNORE_EOS =
      Key.flag("ignore_eos", false, "Ask for answers of full length.");
  static final Key<String> EXTRA_BODY =
      Key.text("extra_body", null, "JSON object whose members are added to every request.");
  static final Key<Double> TEMPERATURE =
      new Key<>(
          "temperature",
          new Key.Type<>("X", BenchKeys::temperature),
          null,
          List.of(),
          false,
          "Sent when given.");

  static final Key<Double> REQUEST_RATE =
      new Key<>(
              "request_rate",
              new Key.Type<>("R|inf", BenchKeys::rate),
              null,
              List.of(),
              false,
              "Requests a second; inf: no waiting. Default: inf.")
          .shownFirst();
  static final Key<Double> BURSTINESS =
      Key.number(
          "burstiness",
          1.0,
          1e-3,
          1e6,
          "Shape of the gamma distributed gaps: 1 is Poisson, less comes in bursts.");
  static final Key<String> ARRIVAL =
      Key.oneOf(
          "arrival",
          null,
          List.of("poisson", "constant", "replay", "closed"),
          "When requests are sent. Default: poisson with a rate; without one all at once, or closed"
              + " with --max-concurrency.");
  static final Key<Double> REPLAY_SPEED =
      Key.number("replay_speed", 1.0, 1e-6, 1e6, "Recorded seconds a second for replay.");
  static final Key<String> TIMESTAMP_UNIT =
      Key.oneOf("timestamp_unit", "s", List.of("s", "ms"), "Unit of timestamp in a data set.");
  static final Key<Long> MAX_CONCURRENCY =
      Key.whole("max_concurrency", null, 1, 100_000, "Most requests at a time.");

  static final Key<Duration> RAMP_UP =
      Key.seconds(
          "ramp_up",
          0.0,
          0,
          "Time in which the rate, or the concurrency of a closed loop, grows to what was asked"
              + " for; requests due meanwhile are sent, marked and in no figure.");

  static final Key<Boolean> STREAM =
      Key.flag("stream", true, "Ask for streamed answers; --no-stream for whole ones.");
  static final Key<Duration> REQUEST_TIMEOUT =
      Key.seconds("request_timeout", 1800.0, 0.001, "Longest time of one request.");
  static final Key<Duration> READY_CHECK_TIMEOUT_SEC =
      Key.seconds(
          "ready_check_timeout_sec",
          10.0,
          0,
          "How long to wait for the server to answer; 0: do not look.");
  static final Key<Long> EXPECT_THRESHOLD =
      Key.whole(
          "expect_threshold",
          null,
          0,
          Long.MAX_VALUE,
          "The router's threshold as it should be; otherwise the router's own word is taken.");
  static final Key<Double> LATE_BOUND_MS =
      Key.number(
          "late_bound_ms", 10.0, 0, 1e9, "Warn when the p99 of our own lateness is above this.");

  static final Key<Duration> GAUGES_INTERVAL =
      Key.seconds(
          "gauges_interval",
          1.0,
          0,
          "How often /metrics of the engines is read for running and waiting requests and KV cache"
              + " usage; 0: never.");

  static final Key<String> LABEL =
      Key.text("label", null, "Begins the result's name. Default: the backend.");
  static final Key<Boolean> SAVE_RESULT = Key.flag("save_result", false, "Write a result file.");
  static final Key<Boolean> SAVE_DETAILED =
      Key.flag("save_detailed", false, "Also write every length, time and error.");
  static final Key<Boolean> SAVE_TEXTS =
      Key.flag("save_texts", false, "Also write the answers' texts, with --save-detailed.");
  static final Key<String> RESULT_DIR =
      Key.text("result_dir", null, "Folder of the result file; made when missing. Default: here.");
  static final Key<String> RESULT_FILENAME =
      Key.text("result_filename", null, "Name of the result file. Default: as vLLM names it.");
  static final Key<String> OBSERVE =
      Key.text(
          "observe",
          null,
          "Watch another load generator: result file it writes, or its folder; then -- COMMAND.");
  static final Key<Boolean> PROGRESS =
      Key.flag("progress", true, "Show a line of progress on a terminal.");

  static final List<Key<?>> ALL =
      List.of(
          BACKEND,
          URL,
          BASE_URL,
          HOST,
          PORT,
          API_KEY,
          CA_FILE,
          TlsSettings.CLIENT_CERT,
          TlsSettings.CLIENT_KEY,
          TLS_SERVER_NAME,
          ENDPOINT,
          MODEL,
          SERVED_MODEL_NAME,
          TOKENIZER,
          DATASET_NAME,
          DATASET_PATH,
          SHUFFLE,
          DISABLE_SHUFFLE,
          NUM_PROMPTS,
          SEED,
          CUSTOM_OUTPUT_LEN,
          SHAREGPT_OUTPUT_LEN,
          RANDOM_INPUT_LEN,
          RANDOM_OUTPUT_LEN,
          RANDOM_RANGE_RATIO,
          BYTES_PER_TOKEN,
          CDF_MAX_TOKENS,
          NUM_CONVERSATIONS,
          MESSAGES_PER_CONV,
          CONTEXT_LEN,
          NEW_MSG_LEN,
          THINK_TIME,
          IGNORE_EOS,
          EXTRA_BODY,
          TEMPERATURE,
          REQUEST_RATE,
          BURSTINESS,
          ARRIVAL,
          REPLAY_SPEED,
          TIMESTAMP_UNIT,
          MAX_CONCURRENCY,
          RAMP_UP,
          STREAM,
          REQUEST_TIMEOUT,
          READY_CHECK_TIMEOUT_SEC,
          EXPECT_THRESHOLD,
          LATE_BOUND_MS,
          GAUGES_INTERVAL,
          LABEL,
          SAVE_RESULT,
          SAVE_DETAILED,
          SAVE_TEXTS,
          RESULT_DIR,
          RESULT_FILENAME,
          OBSERVE,
          PROGRESS);

  static final Map<String, String> REPEATABLE = repeatable();

  private BenchKeys() {}

  private static Map<String, String> repeatable() {
    Map<String, String> out = new LinkedHashMap<>();
    out.put("header", "Header of every request, NAME=VALUE. May be repeated.");
    out.put(
        "goodput",
        "Objective ttft:MS, tpot:MS or e2el:MS; requests that meet all are counted. May be"
            + " repeated.");
    return out;
  }

  private static Double temperature(String text) {
    return bounded(text, 0, 100, "a number 0..100");
  }

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
