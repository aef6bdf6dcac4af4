package org.infinilm.svc.router;

import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// A [RetryBudget] for each model: what one model's instances cannot take costs no other model's
/// requests their second attempt. Thread-safe.
final class RetryBudgets {
  private static final int MOST = 10_000;

  private final ConcurrentHashMap<String, RetryBudget> byModel = new ConcurrentHashMap<>();
  private final RetryBudget others = new RetryBudget();

  /// @param model one that is on offer, or null for requests that named none
  RetryBudget of(@Nullable String model) {
    if (model == null) {
      return others;
    }
    RetryBudget b = byModel.get(model);
    if (b != null) {
      return b;
    }
    return byModel.size() < MOST ? byModel.computeIfAbsent(model, m -> new RetryBudget()) : others;
  }
}
