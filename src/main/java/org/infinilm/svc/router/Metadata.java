package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// Reads what routing needs out of free-form metadata; values of a wrong type count as absent.
final class Metadata {
  private Metadata() {}

  /// `models` as strings, or null when absent.
  static @Nullable List<String> models(Map<String, Object> m) {
    if (!(m.get("models") instanceof List<?> l)) {
      return null;
    }
    List<String> out = new ArrayList<>();
    for (Object o : l) {
      if (o instanceof String s) {
        out.add(s);
      }
    }
    return out;
  }

  /// Objects of `models_list` with a string `id`, or null when it is no array.
  @SuppressWarnings("unchecked") // JSON objects are maps of strings
  static @Nullable List<Map<String, Object>> modelsList(@Nullable Object list) {
    if (!(list instanceof List<?> l)) {
      return null;
    }
    List<Map<String, Object>> out = new ArrayList<>();
    for (Object o : l) {
      if (o instanceof Map<?, ?> e && e.get("id") instanceof String) {
        out.add((Map<String, Object>) e);
      }
    }
    return out;
  }

  /// Tokens that fit one request: `max_cache_len`, or `num_blocks` x `block_size`, or the largest
  /// `max_model_len` of the model list, or [Instance#UNKNOWN].
  static long capacityTokens(Map<String, Object> m, @Nullable List<Map<String, Object>> models) {
    long declared = whole(m.get("max_cache_len"));
    if (declared > 0 && !"paged".equals(m.get("cache_type"))) {
      return declared;
    }
    long blocks = whole(m.get("num_blocks"));
    long size = whole(m.get("block_size"));
    if (blocks > 0 && size > 0) {
      return blocks * size;
    }
    long most = Instance.UNKNOWN;
    if (models != null) {
      for (Map<String, Object> e : models) {
        most = Math.max(most, whole(e.get("max_model_len")));
      }
    }
    return most > 0 ? most : Instance.UNKNOWN;
  }

  static int weight(@Nullable Object w, int fallback) {
    long n = whole(w);
    return n < 0 ? fallback : (int) Math.min(n, 10_000);
  }

  private static long whole(@Nullable Object o) {
    return switch (o) {
      case Number n -> n.longValue();
      case String s when s.matches("[0-9]{1,15}") -> Long.parseLong(s);
      case null, default -> -1;
    };
  }
}
