package org.infinilm.svc.babysitter;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Reads a server's model list in one pass and keeps what fits: all that is said of each model as
/// long as that is little, of the others only [#BRIEF]. What it costs in memory depends on what it
/// keeps, not on what the list holds.
final class ModelList {
  /// What is kept of a model in any case.
  static final Set<String> BRIEF = Set.of("id", "max_model_len", "aliases");

  /// A longer list is none: the registry would not take it.
  static final int MOST_MODELS = 20_000;

  /// Values that are kept beside [#BRIEF], and letters in all kept ones.
  private static final int MOST_VALUES = 20_000;

  private static final int MOST_LETTERS = 2 << 20;
  private static final int MOST_ALIASES = 64;

  /// A list up to this size is passed on as it is; a tree of it has its place.
  private static final int SMALL_BYTES = 256 << 10;

  /// Names are not remembered: a list of a million different ones is none the dearer for it.
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder().maxStringLength(1 << 20).maxNestingDepth(100).build())
          .build();

  private final JsonParser in;
  private final List<Map<String, Object>> models = new ArrayList<>();
  private int values;
  private int letters;

  private ModelList(JsonParser in) {
    this.in = in;
  }

  /// The models of `{"data":[...]}` or of a bare array, of objects with a string `id` or of plain
  /// ids.
  ///
  /// @throws IOException when it is no JSON, or holds more than can be kept
  static List<Map<String, Object>> parse(byte[] json) throws IOException {
    try (JsonParser p = FACTORY.createParser(json)) {
      ModelList list = new ModelList(p);
      list.document();
      return list.models;
    }
  }

  /// What is passed on to others: compact and with its names in order as readers of the original
  /// compare it, or of a long list what [#parse] keeps of it.
  static byte[] compact(byte[] json) throws IOException {
    if (json.length <= SMALL_BYTES && !Json.isLargerThan(MOST_VALUES, json)) {
      JsonNode list = Json.tree(json);
      return Json.bytes(list.isObject() ? Json.plain(list) : list);
    }
    List<Map<String, Object>> models = parse(json);
    return Json.bytes(Map.of("data", Entries.brief(models), "object", "list"));
  }

  private void document() throws IOException {
    JsonToken first = in.nextToken();
    if (first == JsonToken.START_ARRAY) {
      elements();
    } else if (first == JsonToken.START_OBJECT) {
      while (in.nextToken() == JsonToken.FIELD_NAME) {
        boolean data = in.currentName().equals("data");
        if (in.nextToken() == JsonToken.START_ARRAY && data) {
          elements();
        } else {
          in.skipChildren();
        }
      }
    }
    if (in.nextToken() != null) {
      throw new JsonParseException(in, "text after the list");
    }
  }

  private void elements() throws IOException {
    for (JsonToken t = in.nextToken(); t != JsonToken.END_ARRAY; t = in.nextToken()) {
      if (t == JsonToken.VALUE_STRING) {
        add(BackendClient.model(text()));
      } else if (t == JsonToken.START_OBJECT) {
        Map<String, Object> m = model();
        if (m.get("id") instanceof String) {
          add(m);
        }
      } else {
        in.skipChildren();
      }
    }
  }

  private void add(Map<String, Object> model) throws IOException {
    if (models.size() == MOST_MODELS) {
      throw new IOException("more than " + MOST_MODELS + " models in one list");
    }
    models.add(model);
  }

  /// One model; of one that says more than has room only [#BRIEF].
  private Map<String, Object> model() throws IOException {
    Map<String, Object> out = new LinkedHashMap<>();
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      String name = in.currentName();
      JsonToken t = in.nextToken();
      if (BRIEF.contains(name)) {
        Object kept = t == JsonToken.START_ARRAY ? aliases() : scalar(t);
        if (kept != null) {
          out.put(name, kept);
        }
      } else if (hasRoom()) {
        letters += name.length();
        out.put(name, value(t));
      } else {
        in.skipChildren();
      }
    }
    if (!hasRoom()) {
      out.keySet().retainAll(BRIEF);
    }
    return out;
  }

  private boolean hasRoom() {
    return values < MOST_VALUES && letters < MOST_LETTERS / 2;
  }

  private List<Object> aliases() throws IOException {
    List<Object> out = new ArrayList<>();
    for (JsonToken t = in.nextToken(); t != JsonToken.END_ARRAY; t = in.nextToken()) {
      Object alias = scalar(t);
      if (alias != null && out.size() < MOST_ALIASES) {
        out.add(alias);
      }
    }
    return out;
  }

  /// A value with all in it, as far as there is room.
  private @Nullable Object value(@Nullable JsonToken t) throws IOException {
    values++;
    if (t == JsonToken.START_ARRAY) {
      List<@Nullable Object> out = new ArrayList<>();
      for (JsonToken e = in.nextToken(); e != JsonToken.END_ARRAY; e = in.nextToken()) {
        if (hasRoom()) {
          out.add(value(e));
        } else {
          in.skipChildren();
        }
      }
      return out;
    }
    if (t == JsonToken.START_OBJECT) {
      Map<String, @Nullable Object> out = new LinkedHashMap<>();
      while (in.nextToken() == JsonToken.FIELD_NAME) {
        String name = in.currentName();
        JsonToken e = in.nextToken();
        if (hasRoom()) {
          letters += name.length();
          out.put(name, value(e));
        } else {
          in.skipChildren();
        }
      }
      return out;
    }
    return scalar(t);
  }

  /// A text, number or truth; null for null and for what holds others, which is passed over.
  private @Nullable Object scalar(@Nullable JsonToken t) throws IOException {
    return switch (t) {
      case VALUE_STRING -> text();
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> in.getNumberValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case null, default -> {
        in.skipChildren();
        yield null;
      }
    };
  }

  private String text() throws IOException {
    String s = in.getText();
    letters += s.length();
    if (letters > MOST_LETTERS) {
      throw new IOException(
          "names and texts of more than " + MOST_LETTERS + " letters in one list");
    }
    return s;
  }
}
