package org.infinilm.svc.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.load.LoadKeys;
import org.infinilm.svc.tls.TlsSettings;
import org.infinilm.svc.workload.WorkloadKeys;

/// The settings of `infini bench`: those of the workload and of the load, and what becomes of the
/// measurement.
final class BenchKeys {
  static final Key<String> MODEL =
      Key.text("model", null, "Model name. Default: the first that the server offers.")
          .shownFirst();
  static final Key<String> SERVED_MODEL_NAME =
      Key.text("served_model_name", null, "Model name in requests, when not --model.");
  static final Key<Long> EXPECT_THRESHOLD =
      Key.whole(
          "expect_threshold",
          null,
          0,
          Long.MAX_VALUE,
          "The router's threshold as it should be; otherwise the router's own word is taken.");
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
          LoadKeys.BACKEND,
          LoadKeys.URL,
          LoadKeys.BASE_URL,
          LoadKeys.HOST,
          LoadKeys.PORT,
          LoadKeys.API_KEY,
          LoadKeys.CA_FILE,
          TlsSettings.CLIENT_CERT,
          TlsSettings.CLIENT_KEY,
          LoadKeys.TLS_SERVER_NAME,
          LoadKeys.ENDPOINT,
          MODEL,
          SERVED_MODEL_NAME,
          WorkloadKeys.TOKENIZER,
          WorkloadKeys.DATASET_NAME,
          WorkloadKeys.DATASET_PATH,
          WorkloadKeys.SHUFFLE,
          WorkloadKeys.DISABLE_SHUFFLE,
          WorkloadKeys.NUM_PROMPTS,
          WorkloadKeys.SEED,
          WorkloadKeys.CUSTOM_OUTPUT_LEN,
          WorkloadKeys.SHAREGPT_OUTPUT_LEN,
          WorkloadKeys.RANDOM_INPUT_LEN,
          WorkloadKeys.RANDOM_OUTPUT_LEN,
          WorkloadKeys.RANDOM_RANGE_RATIO,
          WorkloadKeys.BYTES_PER_TOKEN,
          WorkloadKeys.CDF_MAX_TOKENS,
          WorkloadKeys.NUM_CONVERSATIONS,
          WorkloadKeys.MESSAGES_PER_CONV,
          WorkloadKeys.CONTEXT_LEN,
          WorkloadKeys.NEW_MSG_LEN,
          LoadKeys.THINK_TIME,
          LoadKeys.IGNORE_EOS,
          LoadKeys.EXTRA_BODY,
          LoadKeys.TEMPERATURE,
          WorkloadKeys.REQUEST_RATE,
          WorkloadKeys.BURSTINESS,
          WorkloadKeys.ARRIVAL,
          WorkloadKeys.REPLAY_SPEED,
          WorkloadKeys.TIMESTAMP_UNIT,
          LoadKeys.MAX_CONCURRENCY,
          WorkloadKeys.RAMP_UP,
          LoadKeys.STREAM,
          LoadKeys.REQUEST_TIMEOUT,
          LoadKeys.READY_CHECK_TIMEOUT_SEC,
          EXPECT_THRESHOLD,
          LoadKeys.LATE_BOUND_MS,
          LoadKeys.GAUGES_INTERVAL,
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
}
