package org.infinilm.svc.router;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.policy.Objective;
import org.infinilm.svc.policy.Objective.Kind;
import org.infinilm.svc.policy.Objectives;
import org.jspecify.annotations.Nullable;

/// What a learned policy strives for, and where it keeps what it has learned.
///
/// @param logFile null when no decision log is written
/// @param logBytes at which it is rotated
/// @param gauges whether engines are asked for theirs
/// @param affinity what keeps requests together
/// @param stateFile null when nothing outlives the router
record Learning(
    Objectives objectives,
    @Nullable Path stateFile,
    @Nullable Path logFile,
    long logBytes,
    Affinity affinity,
    boolean gauges) {
  static final Key<String> OBJECTIVE =
      Key.oneOf(
          "objective",
          "slo",
          List.of("slo", "ttft", "e2e"),
          "what adaptive makes small: answers that miss the limits, times to the first token, or times to the whole answer");
  static final Key<Duration> TTFT =
      Key.seconds("slo_ttft", 2.0, 0.001, "limit of the time to the first token, for adaptive");
  static final Key<Duration> TPOT =
      Key.seconds("slo_tpot", 0.05, 0.0001, "limit of the time of a further token, for adaptive");
  static final Key<String> OF_MODELS =
      Key.text(
              "model_limits",
              "",
              "limits of single models in seconds, MODEL=TTFT/TPOT,..., or a table")
          .orPairs();
  static final Key<String> STATE =
      Key.path(
          "learned_state",
          null,
          "file that keeps what adaptive has learned over a restart; nothing is kept when absent");

  static final Key<String> LOG =
      Key.path(
          "decision_log",
          null,
          "file of JSON lines for infini replay: sizes, times, hashed keys, never text; none when absent");
  static final Key<Long> LOG_BYTES =
      Key.whole(
          "decision_log_bytes",
          64L << 20,
          1L << 16,
          1L << 40,
          "size at which the decision log becomes FILE.1 and a new one begins");
  static final Key<String> AFFINITY =
      Key.oneOf(
          "affinity",
          "key",
          List.of("key", "caller", "text"),
          "what keeps requests together: prompt_cache_key and session_header; also session_id, user and metadata.user_id; also the first words of the user");

  static final Key<Boolean> GAUGES =
      Key.flag(
          "engine_gauges",
          true,
          "whether adaptive reads the gauges of engines that have some, to see what others send them");

  static final List<Key<?>> KEYS =
      List.of(OBJECTIVE, TTFT, TPOT, OF_MODELS, STATE, LOG, LOG_BYTES, AFFINITY, GAUGES);

  static Learning of(Config c) throws ConfigException {
    Kind kind = Kind.SLO;
    for (Kind k : Kind.values()) {
      kind = k.label().equals(c.get(OBJECTIVE)) ? k : kind;
    }
    Map<String, Objective> ofModels = new HashMap<>();
    Wrongs wrong = new Wrongs();
    Kind all = kind;
    for (String pair : c.get(OF_MODELS).split(",")) {
      if (!pair.isBlank()) {
        wrong.in(() -> limits(all, pair.strip(), c, ofModels));
      }
    }
    Path state = wrong.<@Nullable Path>of(() -> c.find(STATE).map(Path::of).orElse(null), null);
    Path log = wrong.<@Nullable Path>of(() -> c.find(LOG).map(Path::of).orElse(null), null);
    wrong.end();
    Objective usual =
        new Objective(kind, (double) c.get(TTFT).toNanos(), (double) c.get(TPOT).toNanos());
    return new Learning(
        new Objectives(usual, ofModels),
        state,
        log,
        c.get(LOG_BYTES),
        Affinity.of(c.get(AFFINITY)),
        c.get(GAUGES));
  }

  /// Looks whether the files can be written, before a start; they need not be there.
  static void forStart(Config c) throws ConfigException {
    Wrongs wrong = new Wrongs();
    wrong.in(() -> writable(c, STATE));
    wrong.in(() -> writable(c, LOG));
    wrong.end();
  }

  private static void writable(Config c, Key<String> key) throws ConfigException {
    Path named = c.find(key).map(Path::of).orElse(null);
    if (named == null) {
      return;
    }
    Path file = OwnFiles.behindLinks(named);
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file)) {
      throw c.wrong(key, named + " is a folder (expected: a file, or none yet)");
    }
    if (folder != null && !Files.isDirectory(folder)) {
      throw c.wrong(key, named + ": no folder " + folder + " (expected: one that exists)");
    }
    if (Files.exists(file)
        ? !Files.isWritable(file)
        : folder != null && !Files.isWritable(folder)) {
      throw c.wrong(key, named + " cannot be written (expected: a file of this user)");
    }
  }

  /// The same with what of `next` holds without a restart.
  Learning live(Learning next) {
    return new Learning(objectives, stateFile, logFile, logBytes, next.affinity, gauges);
  }

  private static void limits(Kind kind, String pair, Config c, Map<String, Objective> to)
      throws ConfigException {
    int eq = pair.lastIndexOf('=');
    int slash = pair.indexOf('/', eq + 1);
    String model = eq < 0 ? "" : pair.substring(0, eq).strip();
    double ttft = slash < 0 ? 0 : seconds(pair.substring(eq + 1, slash));
    double tpot = slash < 0 ? 0 : seconds(pair.substring(slash + 1));
    if (model.isEmpty() || !(ttft > 0 && tpot > 0 && ttft < 1e6 && tpot < 1e6)) {
      throw c.wrong(
          OF_MODELS, model, pair + " (expected: MODEL=TTFT/TPOT in seconds, both above 0)");
    }
    if (to.put(model, new Objective(kind, 1e9 * ttft, 1e9 * tpot)) != null) {
      throw c.wrong(OF_MODELS, model, model + " given twice (expected: once)");
    }
  }

  /// 0 where it is no number.
  private static double seconds(String s) {
    try {
      return Double.parseDouble(s);
    } catch (NumberFormatException e) {
      return 0;
    }
  }
}
