package org.infinilm.svc.router;

/// What keeps requests together, each with all before it.
enum Affinity {
  /// `prompt_cache_key`, and the session header.
  KEY,
  /// `session_id`, `user`, and the same in `metadata`.
  CALLER,
  /// The first words of the user.
  TEXT;

  static Affinity of(String word) {
    return switch (word) {
      case "key" -> KEY;
      case "caller" -> CALLER;
      case "text" -> TEXT;
      default -> throw new IllegalArgumentException(word);
    };
  }
}
