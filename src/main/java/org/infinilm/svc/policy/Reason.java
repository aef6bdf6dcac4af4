package org.infinilm.svc.policy;

/// Why an instance got a request; the closed set of `x-infini-reason`.
public enum Reason {
  /// The size rule.
  SIZE("size"),
  /// The rule's pool could not hold it.
  FIT("fit"),
  /// The rule's pool had no instance.
  EMPTY_POOL("empty-pool"),
  /// The home of its key.
  AFFINITY("affinity"),
  /// Moved for load.
  SPILL("spill"),
  /// An earlier attempt failed.
  RETRY("retry"),
  /// The tier above is out or full.
  TIER("tier"),
  /// There was one candidate.
  ONLY("only"),
  /// Learned cost.
  LEARNED("learned"),
  /// Another policy's rule.
  POLICY("policy");

  private final String label;

  Reason(String label) {
    this.label = label;
  }

  public String label() {
    return label;
  }
}
