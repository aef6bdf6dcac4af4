package org.infinilm.svc.history;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;

/// Where history is kept, and how much of it.
///
/// @param days of decisions and minutes
/// @param usageDays of usage by day
/// @param bytes of the file
/// @param rate decisions a second that are kept one by one
public record HistorySettings(Path file, int days, int usageDays, long bytes, int rate) {
  public static final String OFF = "off";

  /// What nobody means as a file's name.
  private static final Set<String> TRUTHS = Set.of("true", "false", "on", "yes", "no", "none");

  public static final Key<String> FILE =
      Key.path(
          "history",
          OFF,
          "SQLite file that keeps decisions, minutes of pools and usage; off keeps none");
  static final Key<Long> DAYS =
      Key.whole("history_days", 30L, 1, 3660, "days that decisions and minutes are kept");
  static final Key<Long> USAGE_DAYS =
      Key.whole("history_usage_days", 400L, 1, 36600, "days that usage by day is kept");
  static final Key<Long> MEGABYTES =
      Key.whole(
          "history_megabytes",
          256L,
          8,
          1L << 20,
          "size of the file; at it the oldest decisions go first");
  static final Key<Long> RATE =
      Key.whole(
          "history_rate",
          100L,
          0,
          100_000,
          "decisions a second that are kept one by one, and as many that failed or were repeated; of more, a tenth of it and as many of the slowest; figures and usage count all");

  public static final List<Key<?>> KEYS = List.of(FILE, DAYS, USAGE_DAYS, MEGABYTES, RATE);

  /// Empty when history is off.
  public static Optional<HistorySettings> of(Config c) throws ConfigException {
    String file = c.get(FILE).strip();
    if (isOff(file)) {
      return Optional.empty();
    }
    if (TRUTHS.contains(file.toLowerCase(Locale.ROOT))) {
      throw c.wrong(FILE, file + " (expected: a file, or off; ./" + file + " where it is a file)");
    }
    return Optional.of(
        new HistorySettings(
            Path.of(file),
            c.get(DAYS).intValue(),
            c.get(USAGE_DAYS).intValue(),
            c.get(MEGABYTES) << 20,
            c.get(RATE).intValue()));
  }

  public static boolean isOff(String file) {
    return file.isBlank() || file.strip().equalsIgnoreCase(OFF);
  }
}
