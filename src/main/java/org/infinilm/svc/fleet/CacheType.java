package org.infinilm.svc.fleet;

import org.jspecify.annotations.Nullable;

/// The KV-cache design of an instance: a pool of blocks shared by a batch, or one contiguous
/// sequence at a time.
public enum CacheType {
  PAGED("paged"),
  STATIC("static");

  private final String label;

  CacheType(String label) {
    this.label = label;
  }

  /// The word in metadata, flags, headers and metrics.
  public String label() {
    return label;
  }

  /// The cache type of a `cache_type` value, or null when it names none.
  public static @Nullable CacheType parse(@Nullable Object word) {
    for (CacheType t : values()) {
      if (t.label.equals(word)) {
        return t;
      }
    }
    return null;
  }
}
