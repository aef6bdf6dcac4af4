package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Instances that run already: the static services file, and `--instance` on the command line.
final class StaticServices {
  private static final List<String> OPTIONS =
      List.of("name", "cache_type", "weight", "api_key_env", "health_url");

  private StaticServices() {}

  /// Reads a file in any of its three shapes: `[...]`, `{"services":[...]}`,
  /// `{"static_services":{"services":[...]}}`. Unknown keys are ignored.
  static List<Known> file(Path file) throws ConfigException {
    JsonNode root = tree(file);
    JsonNode list = root.isArray() ? root : root.path("static_services").path("services");
    if (!list.isArray()) {
      list = root.path("services");
    }
    if (!list.isArray()) {
      throw new ConfigException(
          file
              + ":1: no list of services (expected: [...], {\"services\":[...]} or {\"static_services\":{\"services\":[...]}})");
    }
    List<Known> out = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (int k = 0; k < list.size(); k++) {
      Known known = element(file, k, list.get(k));
      if (!names.add(known.name())) {
        throw new ConfigException(
            place(file, k, "name") + known.name() + " (expected: unique names)");
      }
      out.add(known);
    }
    return out;
  }

  private static JsonNode tree(Path file) throws ConfigException {
    try {
      return Json.tree(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new ConfigException(file + ": no such file");
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new ConfigException(file + ":" + line + ": " + e.getOriginalMessage());
    } catch (IOException e) {
      throw new ConfigException(file + ": cannot be read: " + e.getMessage());
    }
  }

  private static Known element(Path file, int k, JsonNode e) throws ConfigException {
    if (!e.isObject()) {
      throw new ConfigException(place(file, k, "") + e + " (expected: an object)");
    }
    String name = text(file, k, e, "name");
    String host = text(file, k, e, "host");
    JsonNode port = e.path("port");
    if (!port.canConvertToInt() || port.asInt() < 1 || port.asInt() > 65535) {
      throw new ConfigException(place(file, k, "port") + show(port) + " (expected: 1..65535)");
    }
    JsonNode weight = e.path("weight");
    if (!weight.isMissingNode() && (!weight.canConvertToInt() || weight.asInt() < 0)) {
      throw new ConfigException(place(file, k, "weight") + show(weight) + " (expected: 0 or more)");
    }
    JsonNode meta = e.path("metadata");
    if (!meta.isMissingNode() && !meta.isNull() && !meta.isObject()) {
      throw new ConfigException(place(file, k, "metadata") + show(meta) + " (expected: an object)");
    }
    Map<String, Object> metadata = meta.isObject() ? Json.plain(meta) : Map.of();
    return new Known(
        name,
        host,
        port.asInt(),
        "http://" + (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port.asInt(),
        Metadata.models(metadata),
        Metadata.modelsList(metadata.get("models_list")),
        metadata,
        weight.isMissingNode() ? 1 : weight.asInt(),
        true,
        true,
        true,
        e.path("health_url").isTextual() ? e.path("health_url").asText() : null,
        null);
  }

  private static String text(Path file, int k, JsonNode e, String key) throws ConfigException {
    JsonNode v = e.path(key);
    if (!v.isTextual() || v.asText().isBlank()) {
      throw new ConfigException(place(file, k, key) + show(v) + " (expected: a text)");
    }
    return v.asText();
  }

  private static String place(Path file, int k, String key) {
    return file + ": services[" + k + "]" + (key.isEmpty() ? ": " : "." + key + ": ");
  }

  private static String show(JsonNode v) {
    return v.isMissingNode() ? "missing" : v.toString();
  }

  /// `URL[,name=N][,cache_type=paged|static][,weight=W][,api_key_env=VAR][,health_url=U]`.
  static Known instance(String spec, Map<String, String> env) throws ConfigException {
    String[] parts = spec.split(",");
    String place = "--instance " + spec;
    URI uri = RouterConfig.httpUri(parts[0], place);
    Map<String, String> options = new HashMap<>();
    for (int k = 1; k < parts.length; k++) {
      int eq = parts[k].indexOf('=');
      String key = eq < 0 ? parts[k] : parts[k].substring(0, eq);
      if (eq < 0 || !OPTIONS.contains(key)) {
        throw new ConfigException(
            place
                + ": "
                + parts[k]
                + Words.hint(key, OPTIONS)
                + " (expected: "
                + String.join("=, ", OPTIONS)
                + "=)");
      }
      options.put(key, parts[k].substring(eq + 1));
    }
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("type", "openai-api");
    String type = options.get("cache_type");
    if (type != null) {
      if (CacheType.parse(type) == null) {
        throw new ConfigException(place + ": cache_type=" + type + " (expected: paged or static)");
      }
      metadata.put("cache_type", type);
    }
    int port = uri.getPort() < 0 ? 80 : uri.getPort();
    String base = parts[0].strip();
    return new Known(
        options.getOrDefault("name", uri.getHost() + ":" + port),
        uri.getHost(),
        port,
        base.endsWith("/") ? base.substring(0, base.length() - 1) : base,
        null,
        null,
        metadata,
        weight(place, options.get("weight")),
        true,
        true,
        true,
        options.get("health_url"),
        authorization(place, options.get("api_key_env"), env));
  }

  private static int weight(String place, @Nullable String w) throws ConfigException {
    if (w == null) {
      return 1;
    }
    if (!w.matches("[0-9]{1,4}")) {
      throw new ConfigException(place + ": weight=" + w + " (expected: 0..9999)");
    }
    return Integer.parseInt(w);
  }

  private static @Nullable String authorization(
      String place, @Nullable String variable, Map<String, String> env) throws ConfigException {
    if (variable == null) {
      return null;
    }
    String key = env.get(variable);
    if (key == null || key.isEmpty()) {
      throw new ConfigException(
          place
              + ": api_key_env="
              + variable
              + ": the variable is not set (expected: the instance's key)");
    }
    return "Bearer " + key;
  }
}
