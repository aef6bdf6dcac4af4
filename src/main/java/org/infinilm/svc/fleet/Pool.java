package org.infinilm.svc.fleet;

import org.jspecify.annotations.Nullable;

/// The part of a model's instances that a decision chose from.
public enum Pool {
  PAGED("paged"),
  STATIC("static"),
  /// All of them, whatever their cache type.
  ANY("any");

  private final String label;

  Pool(String label) {
    this.label = label;
  }

  public String label() {
    return label;
  }

  /// The pool of a cache type; null is [#ANY].
  public static Pool of(@Nullable CacheType type) {
    return switch (type) {
      case null -> ANY;
      case PAGED -> PAGED;
      case STATIC -> STATIC;
    };
  }
}
