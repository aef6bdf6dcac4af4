package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the engine does next: pure decisions from a view of the requests and the cache. Requests
/// are served strictly in the order of their arrival.
final class Scheduler {
  /// The bounds of one engine.
  ///
  /// @param pooled whether sequences share a pool; otherwise one sequence owns the cache
  /// @param cacheTokens tokens that fit into the cache
  /// @param blockTokens reservations are rounded up to this
  /// @param maxRunning sequences at a time
  /// @param batchTokens tokens of one step
  /// @param chunkTokens most prompt tokens of a step, beside which every answer gets its next
  ///   token; 0: prompts go before answers, whole, as InfiniLM has it
  record Limits(
      boolean pooled,
      int cacheTokens,
      int blockTokens,
      int maxRunning,
      int batchTokens,
      int chunkTokens) {
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
  /// @param sharedTokens the part of its prompt that stands in cells of running requests, or will
  ///   once they have computed theirs
  /// @param expired whether it has waited longer than a request may
  record Waiting(int tokens, int sharedTokens, boolean expired) {}

  /// A request that has its sequence.
  ///
  /// @param index its place in the order of admission
  /// @param promptTokens length of the prompt
  /// @param storedTokens how many of its tokens are in its sequence
  /// @param reservedTokens its whole reservation
  /// @param sharableTokens the beginning of its prompt that it could take over now
  /// @param expectedTokens the beginning of its prompt that a request admitted before is computing
  record Running(
      int index,
      int promptTokens,
      int storedTokens,
      int reservedTokens,
      int sharableTokens,
      int expectedTokens) {
    boolean answers() {
      return storedTokens >= promptTokens;
    }

    /// Whether more of its prompt is there to share, and nobody is about to add to that.
    boolean canShare() {
      return sharableTokens > storedTokens && sharableTokens >= expectedTokens;
    }

    /// Whether somebody else is computing what it needs next.
    boolean waits() {
      return expectedTokens > storedTokens;
    }

    /// Cells that it may still take.
    int promisedTokens() {
      return reservedTokens - Math.max(storedTokens, expectedTokens);
    }
  }

  /// What there is.
  ///
  /// @param usedTokens cells in use
  /// @param promptsInARow prompts completed since answers last got a token
  record State(@Nullable Waiting head, List<Running> running, int usedTokens, int promptsInARow) {
    State {
      running = List.copyOf(running);
    }
  }

  /// A run of one prompt's tokens.
  record Part(int index, int from, int to) {}

  /// The next step.
  sealed interface Step {
    /// The head of the queue has waited too long.
    record Expire() implements Step {}

    /// Let this request share what others hold of its prompt.
    record Share(int index, int tokens) implements Step {}

    /// Give the head of the queue a sequence.
    record Admit() implements Step {}

    /// Compute these parts of prompts and the last token of each of these answers.
    record Compute(List<Part> prompts, List<Integer> answers) implements Step {
      public Compute {
        prompts = List.copyOf(prompts);
        answers = List.copyOf(answers);
      }
    }

    /// Wait for a request.
    record Rest() implements Step {}
  }

  private Scheduler() {}

  static Step next(Limits limits, State state) {
    Waiting head = state.head();
    if (head != null && head.expired()) {
      return new Step.Expire();
    }
    for (Running r : state.running()) {
      if (r.canShare()) {
        return new Step.Share(r.index(), r.sharableTokens());
      }
    }
    if (head != null && state.running().size() < limits.maxRunning()) {
      int room = limits.cacheTokens() - state.usedTokens() - promised(state);
      if (!limits.pooled() || wanted(limits, head) <= room) {
        return new Step.Admit();
      }
    }
    return compute(limits, state);
  }

  private static int wanted(Limits limits, Waiting head) {
    return limits.reservation(head.tokens()) - head.sharedTokens();
  }

  /// Cells that running requests were promised and do not hold yet.
  private static int promised(State state) {
    return state.running().stream().mapToInt(Running::promisedTokens).sum();
  }

  private static Step compute(Limits limits, State state) {
    List<Integer> answers =
        state.running().stream()
            .filter(Running::answers)
            .limit(limits.batchTokens())
            .map(Running::index)
            .toList();
    if (limits.chunkTokens() > 0) {
      int room = Math.min(limits.chunkTokens(), limits.batchTokens() - answers.size());
      return step(prompts(state.running(), room), answers);
    }
    // A stream of short prompts must not keep answers from going on for ever.
    if (!answers.isEmpty() && state.promptsInARow() >= limits.maxRunning()) {
      return step(List.of(), answers);
    }
    List<Part> prompts = prompts(state.running(), limits.batchTokens());
    return prompts.isEmpty() ? step(prompts, answers) : step(prompts, List.of());
  }

  private static Step step(List<Part> prompts, List<Integer> answers) {
    return prompts.isEmpty() && answers.isEmpty()
        ? new Step.Rest()
        : new Step.Compute(prompts, answers);
  }

  private static List<Part> prompts(List<Running> running, int most) {
    List<Part> parts = new ArrayList<>();
    int room = most;
    for (Running r : running) {
      int take = r.waits() ? 0 : Math.min(room, r.promptTokens() - r.storedTokens());
      if (take > 0) {
        parts.add(new Part(r.index(), r.storedTokens(), r.storedTokens() + take));
        room -= take;
      }
    }
    return parts;
  }
}
