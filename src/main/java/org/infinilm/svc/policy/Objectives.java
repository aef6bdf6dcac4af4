package org.infinilm.svc.policy;

import java.util.Map;

/// What a learned policy strives for, by model.
///
/// @param usual of models that have none of their own
public record Objectives(Objective usual, Map<String, Objective> ofModels) {
  public static final Objectives DEFAULT = of(Objective.DEFAULT);

  public Objectives {
    ofModels = Map.copyOf(ofModels);
  }

  /// One for all models.
  public static Objectives of(Objective usual) {
    return new Objectives(usual, Map.of());
  }

  Objective of(String model) {
    return ofModels.getOrDefault(model, usual);
  }
}
