package org.infinilm.svc.simulator;

/// How long one step takes. Pure; thread-safe.
interface StepCost {
  /// The duration in milliseconds at speed 1; 0 for an empty batch.
  double stepMillis(Batch batch);
}
