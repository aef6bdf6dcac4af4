package org.infinilm.svc.router;

import org.infinilm.svc.fleet.Hash;
import org.jspecify.annotations.Nullable;

/// What part of the requests one belongs to: those of its model, those of its session. An instance
/// may fail one part and answer the others.
///
/// @param model null when the request named none
/// @param key hash of its session's key; 0 for none
record Part(@Nullable String model, long key) {
  /// Of a request that is like any other.
  static final Part ANY = new Part(null, 0);

  /// The requests of its model, as a number; 0 when it named none.
  long ofModel() {
    return model == null ? 0 : Hash.of(model);
  }

  /// The requests of its session for its model, as a number; 0 when it has no key.
  long ofKey() {
    return key == 0 ? 0 : Hash.mix(key ^ ofModel());
  }
}
