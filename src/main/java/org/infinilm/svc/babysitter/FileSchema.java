package org.infinilm.svc.babysitter;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.fleet.CacheType;

/// What JSON Schema says of a babysitter's file: the keys that [SettingsReader] and [BackendReader]
/// read, made of the same lists.
final class FileSchema {
  private static final Map<String, Object> TEXT = Map.of("type", "string");
  private static final Map<String, Object> TEXTS = Map.of("type", "array", "items", TEXT);

  private FileSchema() {}

  /// An object of these keys, as JSON Schema has it, without title and description.
  static Map<String, Object> schema() {
    Map<String, Key<?>> flags = Flags.ALL.stream().collect(Collectors.toMap(Key::name, k -> k));
    Map<String, Object> properties = new TreeMap<>();
    for (String name : SettingsReader.TOP) {
      Key<?> flag = flags.get(name);
      if (flag != null) {
        properties.put(name, property(flag));
      }
    }
    properties.put("models", with(TEXTS, "Model ids, for a server that lists none."));
    properties.put(
        "port",
        with(
            Map.of("type", "integer", "minimum", 1, "maximum", Settings.MAX_PORT),
            Flags.PORT.doc()));
    Map<String, Object> supervision = new TreeMap<>();
    Flags.SUPERVISION.forEach(k -> supervision.put(k.name(), property(k)));
    properties.put("babysitter", table("How the server is looked after.", supervision, List.of()));
    properties.put("backend", backend());
    properties.put(
        "metadata",
        with(Map.of("type", "object"), "Stands over what is registered of the server."));
    Map<String, Object> out = new TreeMap<>(table("", properties, List.of("port", "backend")));
    out.remove("description");
    return out;
  }

  private static Map<String, Object> backend() {
    Map<String, Object> properties = new TreeMap<>();
    List<Object> types = new ArrayList<>();
    List<Object> rules = new ArrayList<>();
    for (BackendType t : BackendType.values()) {
      List<String> words = Stream.of(t.tag(), t.word()).distinct().toList();
      types.addAll(words);
      String subject = t.subject();
      if (subject != null) {
        properties.put(subject, with(TEXT, "What is run, for the types that have it."));
      }
      if (subject != null && t.subjectRequired()) {
        Map<String, Object> is =
            Map.of(
                "properties", Map.of("type", Map.of("enum", words)), "required", List.of("type"));
        rules.add(Map.of("if", is, "then", Map.of("required", List.of(subject))));
      }
    }
    properties.put("type", with(Map.of("enum", types), Flags.SERVICE_TYPE.doc()));
    properties.put("args", with(TEXTS, "Arguments of the command, one element each."));
    properties.put("work_dir", with(TEXT, Flags.WORK_DIR.doc()));
    Map<String, Object> env = Map.of("type", "object", "additionalProperties", TEXT);
    properties.put("env", with(env, "More environment for it."));
    properties.put("weight", property(Flags.WEIGHT));
    properties.put("models", with(TEXTS, "Model ids, for a server that lists none."));
    properties.put("api_key_env", with(TEXT, "The variable that holds the server's key."));
    List<String> caches = Stream.of(CacheType.values()).map(CacheType::label).toList();
    properties.put("cache_type", with(Map.of("enum", caches), "Its KV-cache design."));
    Map<String, Object> out =
        new TreeMap<>(table("The server that is run.", properties, List.of("type")));
    out.put("allOf", rules);
    return out;
  }

  private static Map<String, Object> table(
      String doc, Map<String, Object> properties, List<String> required) {
    return with(
        Map.of(
            "type",
            "object",
            "properties",
            properties,
            "required",
            required,
            "additionalProperties",
            false),
        doc);
  }

  private static Map<String, Object> property(Key<?> k) {
    Map<String, Object> m = new HashMap<>(with(k.type().schema(), k.doc()));
    k.defaultInJson().ifPresent(d -> m.put("default", d));
    return m;
  }

  private static Map<String, Object> with(Map<String, Object> schema, String doc) {
    Map<String, Object> m = new TreeMap<>(schema);
    m.put("description", doc);
    return m;
  }
}
