package org.infinilm.svc.simulator;

import java.util.ArrayList;
import java.util.List;

/// A job inside the engine: how far it is, and what it holds of the cache. Mutable; owned by one
/// [EngineCore].
final class Sequence {
  private final Job job;
  private int cachedTokens;
  private int computedTokens;
  private int generatedTokens;
  private boolean cancelled;

  /// Blocks of the pool that only this sequence uses, and hashes of those it shares.
  int ownBlocks;

  final List<Long> sharedBlocks = new ArrayList<>();

  Sequence(Job job) {
    this.job = job;
  }

  Sequence copy() {
    Sequence s = new Sequence(job);
    s.cachedTokens = cachedTokens;
    s.computedTokens = computedTokens;
    s.generatedTokens = generatedTokens;
    s.cancelled = cancelled;
    s.ownBlocks = ownBlocks;
    s.sharedBlocks.addAll(sharedBlocks);
    return s;
  }

  long id() {
    return job.id();
  }

  Prompt prompt() {
    return job.prompt();
  }

  int promptTokens() {
    return job.prompt().tokens();
  }

  int maxTokens() {
    return job.maxTokens();
  }

  /// Prompt tokens taken from the cache when it was admitted.
  int cachedTokens() {
    return cachedTokens;
  }

  /// Prompt tokens in the cache so far, reused ones included.
  int computedTokens() {
    return computedTokens;
  }

  int generatedTokens() {
    return generatedTokens;
  }

  int contextTokens() {
    return computedTokens + generatedTokens;
  }

  boolean prefilled() {
    return computedTokens == promptTokens();
  }

  boolean finished() {
    return generatedTokens == job.outputTokens();
  }

  boolean cancelled() {
    return cancelled;
  }

  void cancel() {
    cancelled = true;
  }

  /// Admitted with this many prompt tokens already in the cache.
  void admit(int reusedTokens) {
    cachedTokens = reusedTokens;
    computedTokens = reusedTokens;
  }

  void compute(int promptTokens) {
    computedTokens += promptTokens;
  }

  void generate() {
    generatedTokens++;
  }
}
