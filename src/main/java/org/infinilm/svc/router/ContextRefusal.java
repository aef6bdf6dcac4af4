package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/// Recognises an engine's refusal of a prompt that is too long for it, by the words that engines
/// use. Stateless.
final class ContextRefusal {
  private static final int MOST_BYTES = 2048;
  private static final String[] WORDS = {
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context size",
    "must have less than",
    "max_input_tokens"
  };

  private ContextRefusal() {}

  /// Whether an answer of this status, whose body begins so, says that the prompt does not fit.
  static boolean is(int status, ByteBuf body) {
    if (status != 400 && status != 413 && status != 422) {
      return false;
    }
    int n = Math.min(body.readableBytes(), MOST_BYTES);
    String said =
        body.toString(body.readerIndex(), n, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
    for (String w : WORDS) {
      if (said.contains(w)) {
        return true;
      }
    }
    return false;
  }
}
