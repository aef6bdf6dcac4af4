package org.infinilm.svc.simulator;

/// One generation request as a [LeapCore] sees it: lengths, and what it has in common with others.
///
/// Two prompts of the same `text` begin with the same tokens as far as `sharedTokens` of the later
/// one says; two of the same `system` with the same `systemTokens`.
///
/// @param id unique among those of a core
/// @param promptTokens at least 1
/// @param outputTokens that the model would generate, at least 1
/// @param maxTokens that the client allows, at least 1
/// @param system 0 for none
/// @param text the conversation
/// @param sharedTokens leading ones that its conversation has said before, system prompt included
public record LeapJob(
    int id,
    int promptTokens,
    int outputTokens,
    int maxTokens,
    long system,
    int systemTokens,
    long text,
    int sharedTokens) {
  public LeapJob {
    if (promptTokens < 1 || outputTokens < 1 || maxTokens < 1) {
      throw new IllegalArgumentException(
          "tokens: prompt %d, output %d, max %d (expected: 1 or more each)"
              .formatted(promptTokens, outputTokens, maxTokens));
    }
  }
}
