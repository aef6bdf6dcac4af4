package org.infinilm.svc.workload;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// One request of a workload before it is sent.
///
/// @param prompt the text for the `openai` backend; null when only messages were given
/// @param messages for the `openai-chat` backend; in a conversation only what this turn adds
/// @param outputTokens most tokens of the answer; 0 when the data set does not say
/// @param timestampSeconds when it was recorded, for replay; NaN when not said
/// @param conversation number of the conversation that runs turn by turn; -1 for a single request
/// @param cacheKey sent as `prompt_cache_key`; null for none
public record LoadItem(
    @Nullable String prompt,
    List<Message> messages,
    int outputTokens,
    double timestampSeconds,
    int conversation,
    @Nullable String cacheKey) {

  /// One message.
  ///
  /// @param content a JSON document: a string, or a list of parts
  public record Message(String role, String content) {}

  public LoadItem {
    messages = List.copyOf(messages);
  }

  /// A single request of plain text.
  public static LoadItem of(String prompt, int outputTokens) {
    return new LoadItem(prompt, List.of(), outputTokens, Double.NaN, -1, null);
  }
}
