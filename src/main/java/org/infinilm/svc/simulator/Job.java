package org.infinilm.svc.simulator;

/// One generation request as the engine core sees it.
///
/// @param id unique among those submitted to a core
/// @param maxTokens tokens to generate, at least 1
record Job(long id, Prompt prompt, int maxTokens) {
  Job {
    if (maxTokens < 1) {
      throw new IllegalArgumentException("max_tokens: " + maxTokens + " (expected: 1 or more)");
    }
  }

  /// Tokens it needs in the cache at its end.
  long needTokens() {
    return (long) prompt.tokens() + maxTokens;
  }

  Job withMaxTokens(int tokens) {
    return new Job(id, prompt, tokens);
  }
}
