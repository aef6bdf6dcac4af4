package org.infinilm.svc.results;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;

/// One result file of vLLM's `bench serve --save-result`, or of ours.
///
/// @param label what the run was called; empty when the file does not say
/// @param date as the file writes it, `YYYYmmdd-HHMMSS`; "unknown" when it does not say
/// @param complete false for a run that was interrupted
/// @param figures the nine compared figures
/// @param workload what is known of the load, name to value as written; see [CompareWorkload]
/// @param requests each request, when the file has them (ours always, vLLM's with
///   `--save-detailed`); else empty
/// @param routing where requests went, when the run looked
/// @param sendLagP99Ms how late the load generator itself was; 0 when the file does not say
/// @param late whether that was beyond the run's bound
/// @param answerTokens mean of the answers' tokens; NaN when the file does not say
/// @param truncated answers that were cut off before the length that was asked for
public record ResultFile(
    Path path,
    String label,
    String date,
    boolean complete,
    long completed,
    long failed,
    Map<Metric, Double> figures,
    Map<String, String> workload,
    List<ResultRequest> requests,
    Optional<ResultRouting> routing,
    double sendLagP99Ms,
    boolean late,
    long truncated,
    double answerTokens) {
  /// Largest file that is read; one with details of every request is far below it.
  private static final long MOST_BYTES = 1L << 30;

  private static final Pattern WHOLE = Pattern.compile("[0-9]{1,15}");

  /// A file that is no result; the message names it and what is wrong.
  public static final class Unusable extends Exception {
    public Unusable(Path path, String what) {
      super(path + ": " + what);
    }
  }

  public static ResultFile read(Path path) throws Unusable {
    try {
      if (Files.isDirectory(path)) {
        throw new Unusable(path, "is a folder (expected: a result JSON of a benchmark)");
      }
      if (Files.size(path) > MOST_BYTES) {
        throw new Unusable(
            path, Files.size(path) + " bytes (expected: at most " + MOST_BYTES + ")");
      }
      try (InputStream in = Files.newInputStream(path)) {
        return new ResultReader(path).read(in);
      }
    } catch (NoSuchFileException e) {
      throw new Unusable(path, "no such file (expected: a result JSON of a benchmark)");
    } catch (IOException e) {
      throw new Unusable(path, "cannot be read: " + ConfigException.reason(e));
    }
  }

  public static ResultFile parse(Path path, byte[] bytes) throws Unusable {
    try {
      return new ResultReader(path).read(new ByteArrayInputStream(bytes));
    } catch (IOException e) {
      throw new Unusable(path, "cannot be read: " + ConfigException.reason(e));
    }
  }

  public double figure(Metric m) {
    Double v = figures.get(m);
    if (v == null) {
      throw new IllegalArgumentException(path + " has no " + m.key());
    }
    return v;
  }

  /// Of all requests that ended.
  public double cutShare() {
    return truncated == 0 ? 0 : (double) truncated / (completed + failed + truncated);
  }

  /// Of all requests that ended.
  public double failedShare() {
    return failed == 0 ? 0 : (double) failed / (completed + failed + truncated);
  }

  /// Of all requests that were to be sent, those that the file tells nothing of; 0 where it leaves
  /// some out on purpose (a ramp-up, an interrupted run).
  public double untoldShare() {
    String prompts = workload.getOrDefault("num_prompts", "");
    double asked = WHOLE.matcher(prompts).matches() ? Double.parseDouble(prompts) : 0;
    double told = (double) completed + failed + truncated;
    boolean all = complete && workload.getOrDefault("ramp_up_s", "0").equals("0");
    return all && asked > told ? (asked - told) / asked : 0;
  }

  /// Whether this is a copy of the other: of the same date, and alike in every figure and request.
  public boolean sameRun(ResultFile o) {
    return date.equals(o.date)
        && completed == o.completed
        && failed == o.failed
        && truncated == o.truncated
        && figures.equals(o.figures)
        && workload.equals(o.workload)
        && requests.equals(o.requests);
  }

  public String name() {
    Path name = path.getFileName();
    return name == null ? "" : name.toString();
  }

  /// Prompt tokens and how many of them came from a cache, over the requests that tell; both zero
  /// when none does.
  public CachedTokens cached() {
    long prompt = 0;
    long cached = 0;
    for (ResultRequest r : requests) {
      if (r.cachedTokens() >= 0 && r.inputTokens() >= 0) {
        prompt += r.inputTokens();
        cached += r.cachedTokens();
      }
    }
    return new CachedTokens(prompt, cached);
  }

  /// @param cached at most `prompt`
  public record CachedTokens(long prompt, long cached) {
    public CachedTokens plus(CachedTokens other) {
      return new CachedTokens(prompt + other.prompt, cached + other.cached);
    }

    public Optional<String> text() {
      return prompt == 0
          ? Optional.empty()
          : Optional.of(
              String.format(
                  Locale.ROOT,
                  "%,d of %,d prompt tokens (%.1f %%)",
                  cached,
                  prompt,
                  100.0 * cached / prompt));
    }
  }
}
