package org.infinilm.svc.engine;

import java.util.List;

/// A token of an answer with its natural-log probability under the model's own logits, before
/// temperature, penalties and filters. Immutable.
///
/// @param top the likeliest tokens at this place, the likeliest first
/// @param offset characters (code points) of the answer before this token
record TokenLogprob(int token, double logprob, List<Alternative> top, int offset) {
  /// One token that might have stood there.
  record Alternative(int token, double logprob) {}

  TokenLogprob {
    top = List.copyOf(top);
  }

  TokenLogprob at(int codePoints) {
    return new TokenLogprob(token, logprob, top, codePoints);
  }
}
