package org.infinilm.svc.history;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
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

  /// What [#json] gave; what is missing is null.
  public static UsageRow of(Map<String, Object> m) {
    String day = text(m, "day");
    return new UsageRow(
        day == null ? null : (Long) LocalDate.parse(day).toEpochDay(),
        text(m, "key"),
        text(m, "model"),
        number(m, "requests"),
        number(m, "errors"),
        number(m, "requests_with_usage"),
        tokens(m, "prompt_tokens"),
        tokens(m, "cached_tokens"),
        tokens(m, "completion_tokens"));
  }

  private static @Nullable String text(Map<String, Object> m, String name) {
    return m.get(name) instanceof String s ? s : null;
  }

  private static @Nullable Long tokens(Map<String, Object> m, String name) {
    return m.get(name) instanceof Number n ? (Long) n.longValue() : null;
  }

  private static long number(Map<String, Object> m, String name) {
    Long n = tokens(m, name);
    return n == null ? 0 : n;
  }

  /// All of them in one.
  public static UsageRow sum(List<UsageRow> rows) {
    UsageRow all = new UsageRow(null, null, null, 0, 0, 0, null, null, null);
    for (UsageRow r : rows) {
      all =
          new UsageRow(
              null,
              null,
              null,
              all.requests + r.requests,
              all.errors + r.errors,
              all.told + r.told,
              sum(all.promptTokens, r.promptTokens),
              sum(all.cachedTokens, r.cachedTokens),
              sum(all.completionTokens, r.completionTokens));
    }
    return all;
  }

  private static @Nullable Long sum(@Nullable Long a, @Nullable Long b) {
    return a == null ? b : b == null ? a : (Long) (a + b);
  }

  /// What it is grouped by, in words; empty where that is not known.
  public String group(By by) {
    return switch (by) {
      case DAY -> day == null ? "" : LocalDate.ofEpochDay(day).toString();
      case KEY -> key == null ? "" : key;
      case MODEL -> model == null ? "" : model;
    };
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
              + ", or a number of days as 7d, up to 99999d)",
          e);
    }
  }

  /// As `/usage` tells it; what it is not grouped by is left out.
  public Map<String, Object> json() {
    Map<String, Object> m = new HashMap<>();
    if (day != null) {
      m.put("day", group(By.DAY));
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
