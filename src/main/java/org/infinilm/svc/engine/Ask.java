package org.infinilm.svc.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A generation request as a client sent it, checked but not yet tokenized.
///
/// @param model the model it names, or null
/// @param messages the chat, when it is one
/// @param text the raw prompt, when it is one
/// @param tokens the prompt as token ids, when it is that
/// @param maxTokens longest answer, or null when the client leaves it open
/// @param ownStart whether the model's own first token is put in front of the prompt
/// @param answerTurn whether a chat ends with the beginning of the answer's turn
/// @param usageChunk whether a stream ends with a chunk of usage
/// @param choices answers wanted of the one prompt
/// @param usageAlways whether each chunk carries the usage so far
/// @param tools the functions that the model may call, or null for none
record Ask(
    @Nullable String model,
    @Nullable List<Vocabulary.Message> messages,
    @Nullable String text,
    int @Nullable [] tokens,
    boolean ownStart,
    boolean answerTurn,
    @Nullable Integer maxTokens,
    boolean stream,
    boolean usageChunk,
    boolean usageAlways,
    int choices,
    Sampling sampling,
    @Nullable Tools tools) {
  /// Without what is needed no more once its prompt and its form are made.
  Ask read() {
    return new Ask(
        model,
        null,
        null,
        null,
        ownStart,
        answerTurn,
        maxTokens,
        stream,
        usageChunk,
        usageAlways,
        choices,
        sampling.withoutGrammar(),
        tools == null ? null : tools.withoutSchemas());
  }
}
