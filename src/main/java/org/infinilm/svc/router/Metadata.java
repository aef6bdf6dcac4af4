package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.ModelState;
import org.jspecify.annotations.Nullable;

/// Reads what routing needs out of free-form metadata; values of a wrong type count as absent.
final class Metadata {
  private static final double MOST_WHOLE = 1e15;
  private static final int MOST_SHOWN = 80;

  /// Keys of which routing reads whole numbers.
  private static final List<String> WHOLE =
      List.of(
          "weight",
          "tier",
          "max_concurrency",
          "max_batch_size",
          "max_num_seqs",
          "max_cache_len",
          "num_blocks",
          "block_size",
          "max_model_len");

  private Metadata() {}

  /// `models` as strings that can be names, with the aliases that its model list has of them, or
  /// null when absent.
  static @Nullable List<String> models(Map<String, Object> m) {
    if (!(m.get("models") instanceof List<?> l)) {
      return null;
    }
    Set<String> out = new LinkedHashSet<>(strings(l));
    List<Map<String, Object>> listed = modelsList(m.get("models_list"));
    if (listed != null) {
      for (Map<String, Object> e : listed) {
        if (l.contains(e.get("id"))) {
          out.addAll(aliases(e));
        }
      }
    }
    return List.copyOf(out);
  }

  private static List<String> strings(List<?> l) {
    List<String> out = new ArrayList<>();
    for (Object o : l) {
      if (o instanceof String s && StaticServices.isName(s)) {
        out.add(s);
      }
    }
    return out;
  }

  /// Further names under which a server serves the model of an entry (llama.cpp's `--alias`).
  static List<String> aliases(Map<?, ?> entry) {
    return entry.get("aliases") instanceof List<?> l ? strings(l) : List.of();
  }

  /// The names of the models of a list: ids, then aliases.
  static List<String> names(List<Map<String, Object>> list) {
    Set<String> out = new LinkedHashSet<>();
    list.forEach(e -> out.add(String.valueOf(e.get("id"))));
    list.forEach(e -> out.addAll(aliases(e)));
    return List.copyOf(out);
  }

  /// Whether a server has the model of an entry in memory: `status.value` (llama.cpp as a router of
  /// its own) or `state` (LM Studio). One that says nothing has it.
  static ModelState modelState(Map<?, ?> entry) {
    Object said = entry.get("state");
    boolean failed = false;
    if (entry.get("status") instanceof Map<?, ?> s) {
      said = s.get("value");
      failed = Boolean.TRUE.equals(s.get("failed"));
    }
    return switch (String.valueOf(said)) {
      case "loading" -> ModelState.LOADING;
      case "unloaded", "not-loaded", "sleeping", "downloading" ->
          failed ? ModelState.FAILED : ModelState.UNLOADED;
      default -> ModelState.LOADED;
    };
  }

  static boolean saysModelState(Map<?, ?> entry) {
    return entry.get("status") instanceof Map<?, ?> || entry.get("state") instanceof String;
  }

  /// Those models of a list that are not in memory, under each of their names.
  static Map<String, ModelState> notLoaded(@Nullable List<Map<String, Object>> list) {
    Map<String, ModelState> out = new HashMap<>();
    if (list != null) {
      for (Map<String, Object> e : list) {
        ModelState state = modelState(e);
        if (state != ModelState.LOADED) {
          out.put(String.valueOf(e.get("id")), state);
          aliases(e).forEach(a -> out.put(a, state));
        }
      }
    }
    return out;
  }

  /// Whether two lists say the same; when an entry was made says nothing (llama.cpp gives the time
  /// of the answer).
  static boolean same(List<Map<String, Object>> a, @Nullable List<Map<String, Object>> b) {
    if (b == null || a.size() != b.size()) {
      return false;
    }
    for (int k = 0; k < a.size(); k++) {
      if (!timeless(a.get(k)).equals(timeless(b.get(k)))) {
        return false;
      }
    }
    return true;
  }

  private static Map<String, Object> timeless(Map<String, Object> entry) {
    Map<String, Object> out = new HashMap<>(entry);
    out.remove("created");
    return out;
  }

  /// Objects of `models_list` with an `id` that can be a name, or null when it is no array.
  @SuppressWarnings("unchecked") // JSON objects are maps of strings
  static @Nullable List<Map<String, Object>> modelsList(@Nullable Object list) {
    if (!(list instanceof List<?> l)) {
      return null;
    }
    List<Map<String, Object>> out = new ArrayList<>();
    for (Object o : l) {
      if (o instanceof Map<?, ?> e
          && e.get("id") instanceof String id
          && StaticServices.isName(id)) {
        out.add((Map<String, Object>) e);
      }
    }
    return out;
  }

  /// Tokens that fit one request, in the words of every engine, or [Instance#UNKNOWN]: the smallest
  /// of `max_cache_len`, `num_blocks` x `block_size` and `max_model_len` of the metadata and what
  /// the model list says. Each is a bound of its own, so that the smallest one holds. An instance
  /// with several models has the capacity of the largest: too large a figure costs a refusal by the
  /// instance, too small a one a request that it could have served.
  static long capacityTokens(Map<String, Object> m, @Nullable List<Map<String, Object>> models) {
    long listed = Instance.UNKNOWN;
    if (models != null) {
      for (Map<String, Object> e : models) {
        listed = Math.max(listed, listedTokens(e));
      }
    }
    long blocks = whole(m.get("num_blocks"));
    long size = whole(m.get("block_size"));
    long pool = blocks > 0 && size > 0 ? Math.multiplyExact(bounded(blocks), bounded(size)) : -1;
    return smallest(whole(m.get("max_cache_len")), pool, whole(m.get("max_model_len")), listed);
  }

  /// Tokens that fit one request of a model, by its entry in a model list: `max_model_len` (vLLM,
  /// SGLang) or `meta.n_ctx` (llama.cpp, of one slot), or [Instance#UNKNOWN]. What the model was
  /// trained with (`n_ctx_train`) says nothing about its server.
  static long listedTokens(Map<?, ?> entry) {
    long meta = entry.get("meta") instanceof Map<?, ?> m ? whole(m.get("n_ctx")) : -1;
    return smallest(whole(entry.get("max_model_len")), meta);
  }

  /// The smallest that is stated.
  private static long smallest(long... tokens) {
    long least = Instance.UNKNOWN;
    for (long t : tokens) {
      least = t > 0 && (least < 0 || t < least) ? t : least;
    }
    return least;
  }

  private static long bounded(long n) {
    return Math.min(n, 1L << 31);
  }

  static int weight(@Nullable Object w, int fallback) {
    long n = whole(w);
    return n < 0 ? fallback : (int) Math.min(n, 10_000);
  }

  /// A whole number of 0 or more, as a number or a text; -1 for anything else.
  static long whole(@Nullable Object o) {
    return switch (o) {
      case Long n -> Math.max(-1, n);
      case Integer n -> Math.max(-1, n);
      case Number n -> whole(n.doubleValue());
      case String s when s.matches("[0-9]{1,15}") -> Long.parseLong(s);
      case null, default -> -1;
    };
  }

  /// The same of one that may have a fraction: its whole part would be another value.
  private static long whole(double n) {
    return n >= 0 && n < MOST_WHOLE && n == Math.rint(n) ? (long) n : -1;
  }

  /// What stands where a whole number or a cache type should, one text each.
  static List<String> odd(Map<String, Object> m) {
    List<String> out = new ArrayList<>();
    for (String key : WHOLE) {
      Object said = m.get(key);
      if (said != null && whole(said) < 0) {
        out.add(key + ": " + shown(said) + " (expected: a whole number, 0 or more)");
      }
    }
    Object type = m.get("cache_type");
    if (type != null && CacheType.parse(type) == null) {
      out.add("cache_type: " + shown(type) + " (expected: paged or static)");
    }
    return out;
  }

  private static String shown(Object said) {
    String text = String.valueOf(said);
    return text.length() > MOST_SHOWN ? text.substring(0, MOST_SHOWN) + "..." : text;
  }
}
