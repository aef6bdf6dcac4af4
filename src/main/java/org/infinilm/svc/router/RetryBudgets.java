package org.infinilm.svc.router;

import org.infinilm.svc.fleet.PerModel;
import org.jspecify.annotations.Nullable;

/// A [RetryBudget] for each model: what one model's instances cannot take costs no other model's
/// requests their second attempt. Thread-safe.
final class RetryBudgets {
  private static final int MOST = 10_000;

  private final PerModel<RetryBudget> byModel = new PerModel<>(MOST, RetryBudget::new);
  private final RetryBudget others = new RetryBudget();

  /// @param model one that is on offer, or null for requests that named none
  RetryBudget of(@Nullable String model) {
    return model == null ? others : byModel.of(model);
  }
}
