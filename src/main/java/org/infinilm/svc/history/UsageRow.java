package org.infinilm.svc.history;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Usage of one group. What it is not grouped by is null.
///
/// @param day since 1970, UTC
/// @param key empty where there was none
/// @param model empty where it is not known
/// @param errors that were no fault of the client
/// @param told requests whose answers told their tokens
/// @param promptTokens null when no answer told
public record UsageRow(
    @Nullable Long day,
    @Nullable String key,
    @Nullable String model,
    long requests,
    long errors,
    long told,
    @Nullable Long promptTokens,
    @Nullable Long cachedTokens,
    @Nullable Long completionTokens) {

  /// What usage can be grouped by, in the order of columns.
  public enum By {
    DAY,
    KEY,
    MODEL;

    String column() {
      return name().toLowerCase(Locale.ROOT);
    }

    /// @throws IllegalArgumentException with "(expected: ...)" wording
    public static Set<By> of(String list) {
      Set<By> out = EnumSet.noneOf(By.class);
      for (String word : list.split(",")) {
        switch (word.strip().toLowerCase(Locale.ROOT)) {
          case "day" -> out.add(DAY);
          case "key" -> out.add(KEY);
          case "model" -> out.add(MODEL);
          default ->
              throw new IllegalArgumentException(
                  "by: "
                      + word.substring(0, Math.min(40, word.length()))
                      + " (expected: key, model, day, or several with commas)");
        }
      }
      return out;
    }
  }

  /// A day as people say it: `2026-11-01`, or `7d` for that many days before today.
  ///
  /// @throws IllegalArgumentException with "(expected: ...)" wording
  public static LocalDate day(String s, LocalDate today) {
    try {
      return s.matches("[0-9]{1,5}d")
          ? today.minusDays(Integer.parseInt(s.substring(0, s.length() - 1)))
          : LocalDate.parse(s);
    } catch (DateTimeException e) {
      throw new IllegalArgumentException(
          "since: "
              + s.substring(0, Math.min(40, s.length()))
              + " (expected: a day as "
              + today
              + ", or a number of days as 7d)",
          e);
    }
  }

  /// As `/usage` tells it; what it is not grouped by is left out.
  public Map<String, Object> json() {
    Map<String, Object> m = new HashMap<>();
    if (day != null) {
      m.put("day", LocalDate.ofEpochDay(day).toString());
    }
    if (key != null) {
      m.put("key", key);
    }
    if (model != null) {
      m.put("model", model);
    }
    m.put("requests", requests);
    m.put("errors", errors);
    m.put("requests_with_usage", told);
    m.put("prompt_tokens", promptTokens);
    m.put("cached_tokens", cachedTokens);
    m.put("completion_tokens", completionTokens);
    return m;
  }
}
