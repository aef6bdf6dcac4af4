package org.infinilm.svc.policy;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What a learned policy knows of one model, for humans.
///
/// @param model its name; empty for requests that name none
/// @param mode who decides for it now
/// @param prompts that costs were learned from
/// @param answers that costs were learned from
/// @param threshold largest size that is better off on paged instances, or null while it is not
///   known
/// @param fallbacks how often the fixed rule took over because it would have lost less
/// @param cutFrom by name of an instance that cuts answers off at once, the shortest prompt that it
///   does so with, in estimated tokens
public record Insight(
    String model,
    Forecast.Mode mode,
    int prompts,
    int answers,
    @Nullable Long threshold,
    long fallbacks,
    Map<String, Long> cutFrom) {
  public Insight {
    cutFrom = Map.copyOf(cutFrom);
  }
}
