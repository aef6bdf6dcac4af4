package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the engine does next: pure decisions from a view of the requests and the cache. Requests
/// are served in the order of their arrival; prompts go before answers, whole, as InfiniLM has it.
final class Scheduler {
  /// The bounds of one engine.
  ///
  /// @param pooled whether sequences share a pool; otherwise one sequence owns the cache
  /// @param cacheTokens tokens that fit into the cache
  /// @param blockTokens reservations are rounded up to this
  /// @param maxRunning sequences at a time
  /// @param batchTokens tokens of one step
  record Limits(boolean pooled, int cacheTokens, int blockTokens, int maxRunning, int batchTokens) {
    /// Tokens that a sequence of at most `tokens` reserves.
    int reservation(int tokens) {
      return pooled ? Math.ceilDiv(tokens, blockTokens) * blockTokens : tokens;
    }

    /// Whether a sequence of at most `tokens` can ever run.
    boolean fits(long tokens) {
      return tokens <= cacheTokens && reservation((int) tokens) <= cacheTokens;
    }
  }

  /// The request at the head of the queue.
  ///
  /// @param tokens prompt and longest answer together
  /// @param cachedTokens the part of its prompt that the cache holds
  record Waiting(int tokens, int cachedTokens) {}

  /// A request that has its sequence.
  ///
  /// @param index its place in the order of admission
  /// @param promptTokens length of the prompt
  /// @param storedTokens how many of its tokens have been computed
  /// @param reservedTokens its whole reservation
  record Running(int index, int promptTokens, int storedTokens, int reservedTokens) {}

  /// What there is.
  ///
  /// @param usedTokens cells in use, kept prefixes included
  /// @param keptSequences finished sequences whose cells are kept for reuse
  record State(@Nullable Waiting head, List<Running> running, int usedTokens, int keptSequences) {}

  /// A run of one prompt's tokens.
  record Part(int index, int from, int to) {}

  /// The next step.
  sealed interface Step {
    /// Give the head of the queue a sequence.
    record Admit() implements Step {}

    /// Forget the kept sequence that was used least recently.
    record Evict() implements Step {}

    /// Compute these parts of prompts.
    record Prefill(List<Part> parts) implements Step {}

    /// Compute the last token of each of these.
    record Decode(List<Integer> indexes) implements Step {}

    /// Wait for a request.
    record Rest() implements Step {}
  }

  private Scheduler() {}

  static Step next(Limits limits, State state) {
    Waiting head = state.head();
    if (head != null && state.running().size() < limits.maxRunning()) {
      if (!limits.pooled() || wanted(limits, head) <= free(limits, state)) {
        return new Step.Admit();
      }
      if (state.keptSequences() > 0) {
        return new Step.Evict();
      }
    }
    List<Part> parts = prompts(limits, state.running());
    if (!parts.isEmpty()) {
      return new Step.Prefill(parts);
    }
    if (!state.running().isEmpty()) {
      return new Step.Decode(
          state.running().stream().limit(limits.batchTokens()).map(Running::index).toList());
    }
    return new Step.Rest();
  }

  private static int wanted(Limits limits, Waiting head) {
    return limits.reservation(head.tokens()) - head.cachedTokens();
  }

  /// Cells that are neither used nor promised to a running sequence.
  private static int free(Limits limits, State state) {
    int promised = 0;
    for (Running r : state.running()) {
      promised += r.reservedTokens() - r.storedTokens();
    }
    return limits.cacheTokens() - state.usedTokens() - promised;
  }

  private static List<Part> prompts(Limits limits, List<Running> running) {
    List<Part> parts = new ArrayList<>();
    int room = limits.batchTokens();
    for (Running r : running) {
      int take = Math.min(room, r.promptTokens() - r.storedTokens());
      if (take > 0) {
        parts.add(new Part(r.index(), r.storedTokens(), r.storedTokens() + take));
        room -= take;
      }
    }
    return parts;
  }
}
