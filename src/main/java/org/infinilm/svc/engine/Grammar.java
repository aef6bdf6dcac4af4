package org.infinilm.svc.engine;

/// The form of one answer, and how far the answer has come in it. One thread at a time.
interface Grammar extends AutoCloseable {
  /// Whether the answer may go on with `token`; an end token fits when the form is complete.
  boolean allows(int token);

  /// Makes the logits of all tokens that do not fit negative infinity.
  void filter(float[] logits);

  /// The answer goes on with `token`, which fits and is no end token.
  void accept(int token);

  /// Frees it; a second call does nothing.
  @Override
  void close();
}
