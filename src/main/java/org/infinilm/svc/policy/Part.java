package org.infinilm.svc.policy;

import java.util.Locale;

/// Parts of the learned policy that an ablation leaves out, one at a time.
public enum Part {
  /// Where a request cannot fit it does not go.
  FIT,
  /// What is in flight is looked at.
  LOAD,
  /// Costs are learned, not the first guess.
  COST,
  /// Each instance has a speed of its own.
  SPEED,
  /// What others lose counts.
  OTHERS,
  /// Prefixes are found where they were.
  PREFIX,
  /// Lengths of answers are learned, not the first guess.
  LENGTH,
  /// Who was not heard of for long is tried.
  TRIALS;

  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
