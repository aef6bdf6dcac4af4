package org.infinilm.svc.simulator;

/// A job inside a [LeapCore]: how far it is, and what it holds. Mutable; one owner.
final class Leaper {
  final LeapJob job;

  /// Tokens that it generates, what fits considered.
  final int limit;

  /// Whether the cache ends it.
  final boolean cut;

  /// Tokens in the cache before generating goes on: the prompt, and what was generated before it
  /// was preempted.
  int target;

  int computed;
  int generated;
  int cachedTokens;
  int hitBlocks;
  int ownBlocks;

  /// Own blocks that became part of a text that others may use.
  int givenBlocks;

  Leaper(LeapJob job, int capacityTokens) {
    this.job = job;
    int wanted = Math.min(job.outputTokens(), job.maxTokens());
    int room = capacityTokens - job.promptTokens();
    this.limit = Math.min(wanted, room);
    this.cut = wanted > room;
    this.target = job.promptTokens();
  }

  private Leaper(Leaper of) {
    this.job = of.job;
    this.limit = of.limit;
    this.cut = of.cut;
    this.target = of.target;
    this.computed = of.computed;
    this.generated = of.generated;
    this.cachedTokens = of.cachedTokens;
    this.hitBlocks = of.hitBlocks;
    this.ownBlocks = of.ownBlocks;
    this.givenBlocks = of.givenBlocks;
  }

  Leaper copy() {
    return new Leaper(this);
  }

  boolean prefilled() {
    return computed >= target;
  }

  int contextTokens() {
    return job.promptTokens() + generated;
  }
}
