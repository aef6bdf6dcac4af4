package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What an engine says of its models elsewhere than in its `/v1/models`: what they hold, and which
/// are in memory. Pure.
///
/// Folded into the entries in the words that other engines have in their lists: `max_model_len`,
/// `max_num_seqs` and `state`. What an entry says itself stays.
enum EngineWords {
  /// llama.cpp with one model: `n_ctx` is what one slot holds, and a request has one slot.
  LLAMA_CPP("/props") {
    @Override
    void fold(List<Map<String, Object>> list, JsonNode said) {
      Map<String, Object> e = list.getFirst();
      long holds = said.path("default_generation_settings").path("n_ctx").asLong(0);
      if (holds > 0 && Metadata.listedTokens(e) < 0) {
        e.put("max_model_len", holds);
      }
      long slots = said.path("total_slots").asLong(0);
      if (slots > 0) {
        e.putIfAbsent("max_num_seqs", slots);
      }
    }
  },
  /// LM Studio: its OpenAI list has every model of the disk.
  LM_STUDIO("/api/v0/models") {
    @Override
    void fold(List<Map<String, Object>> list, JsonNode said) {
      for (JsonNode m : said.path("data")) {
        for (Map<String, Object> e : list) {
          if (m.path("id").asText().equals(e.get("id"))) {
            if (m.path("state").isTextual()) {
              e.putIfAbsent("state", m.path("state").asText());
            }
            holds(e, m.path("loaded_context_length"));
          }
        }
      }
    }
  },
  /// Ollama: its OpenAI list has every model of the disk, this one those in memory.
  OLLAMA("/api/ps") {
    @Override
    void fold(List<Map<String, Object>> list, JsonNode said) {
      if (!said.path("models").isArray()) {
        return;
      }
      for (Map<String, Object> e : list) {
        e.putIfAbsent("state", "not-loaded");
        for (JsonNode m : said.path("models")) {
          if (m.path("name").asText().equals(e.get("id"))) {
            e.put("state", "loaded");
            holds(e, m.path("context_length"));
          }
        }
      }
    }
  };

  private final String target;

  EngineWords(String target) {
    this.target = target;
  }

  /// Where it is asked.
  String target() {
    return target;
  }

  /// Adds what it said to the entries of the list.
  abstract void fold(List<Map<String, Object>> list, JsonNode said);

  private static void holds(Map<String, Object> e, JsonNode tokens) {
    if (tokens.asLong(0) > 0 && Metadata.listedTokens(e) < 0) {
      e.put("max_model_len", tokens.asLong());
    }
  }

  /// Whom a list comes from, by the owner of its models, when there is more to ask; else null.
  static @Nullable EngineWords of(List<Map<String, Object>> list) {
    for (Map<String, Object> e : list) {
      EngineWords words =
          switch (String.valueOf(e.get("owned_by"))) {
            case "llamacpp" -> list.size() == 1 && !e.containsKey("status") ? LLAMA_CPP : null;
            case "organization_owner" -> LM_STUDIO;
            case "library" -> OLLAMA;
            default -> null;
          };
      if (words != null) {
        return words;
      }
    }
    return null;
  }

  /// The list with what was said beside it.
  List<Map<String, Object>> added(List<Map<String, Object>> list, JsonNode said) {
    List<Map<String, Object>> out = new ArrayList<>();
    list.forEach(e -> out.add(new HashMap<>(e)));
    fold(out, said);
    return out;
  }
}
