package org.infinilm.svc.simulator;

/// One generation request as the engine core sees it.
///
/// @param id unique among those submitted to a core
/// @param maxTokens that the client allows and a paged engine reserves, at least 1
/// @param outputTokens that the model generates, at least 1 and at most `maxTokens`
record Job(long id, Prompt prompt, int maxTokens, int outputTokens) {
  Job {
    if (maxTokens < 1) {
      throw new IllegalArgumentException("max_tokens: " + maxTokens + " (expected: 1 or more)");
    }
    if (outputTokens < 1 || outputTokens > maxTokens) {
      throw new IllegalArgumentException(
          "output tokens: " + outputTokens + " (expected: 1.." + maxTokens + ")");
    }
  }

  /// One that uses all that it may.
  Job(long id, Prompt prompt, int maxTokens) {
    this(id, prompt, maxTokens, maxTokens);
  }

  /// Tokens it needs in the cache at its end.
  long needTokens() {
    return (long) prompt.tokens() + maxTokens;
  }

  Job withMaxTokens(int tokens) {
    return new Job(id, prompt, tokens, Math.min(tokens, outputTokens));
  }
}
