package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The instances that are there for good: those of files and flags, and those that were added over
/// HTTP, which a file may keep over a restart. Thread-safe; adding may write a file.
/*
 * What is added over HTTP names no variable of this process and no file or socket of this machine: an admin of
 * the router is not the owner of its machine, and a key could be sent anywhere.
 */
final class Added implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Added.class);
  private static final String LIST = "instances";
  private static final int MOST = 1000;
  private static final int LONGEST_NAME = 256;
  private static final List<String> OPTIONS =
      List.of(
          "url",
          "name",
          "cache_type",
          "weight",
          "tier",
          "max_concurrency",
          "dns",
          "health_url",
          "tls_server_name");
  private static final List<String> FIELDS =
      Stream.concat(OPTIONS.stream(), Stream.of("keep")).toList();

  /// One that was added.
  private record One(Known known, Map<String, String> options, boolean kept) {}

  private final @Nullable KeptFile file;
  private final Consumer<List<Known>> tell;
  private Map<String, One> added = new LinkedHashMap<>();
  private List<Known> told;
  private volatile Set<String> here = Set.of();

  /// @param file where those that are kept stand, or null
  /// @param told of files and flags
  /// @param tell hears of all of them whenever one comes or goes
  Added(@Nullable Path file, List<Known> told, Consumer<List<Known>> tell) {
    this.file = file == null ? null : new KeptFile(file);
    this.told = told;
    this.tell = tell;
  }

  /// Files say others now.
  synchronized void told(List<Known> now) {
    told = now;
    tellAll();
  }

  private void tellAll() {
    List<Known> all = new ArrayList<>(told);
    Set<String> names = new HashSet<>();
    told.forEach(k -> names.add(k.name()));
    added.forEach((name, one) -> {
      if (names.contains(name)) {
        LOG.warn(
            "instance {} was added over HTTP, and a file or flag names it too: that counts", name);
      } else {
        all.add(one.known());
      }
    });
    Set<String> out = new HashSet<>(added.keySet());
    out.removeAll(names);
    here = Set.copyOf(out);
    tell.accept(List.copyOf(all));
  }

  /// Takes over what an earlier router has kept.
  synchronized void load() {
    if (file != null) {
      Map<String, One> kept = new LinkedHashMap<>();
      file.load(Added::read).forEach(one -> kept.put(one.known().name(), one));
      try {
        take(kept, file.wasSetAside() && !kept.isEmpty());
        return;
      } catch (IOException e) {
        LOG.error("added_instances: {}", e.getMessage());
        added = kept;
      }
    }
    tellAll();
  }

  /// The document of what is kept: an object with the list `instances`, and nothing else. One that
  /// cannot be used is left out and named.
  private static List<One> read(byte[] document, Wrongs wrong) throws ConfigException {
    JsonNode root;
    try {
      root = Json.tree(document);
    } catch (JsonProcessingException e) {
      throw new ConfigException("no JSON: " + Json.wrong(e));
    }
    JsonNode list = root.path(LIST);
    if (!list.isArray() || root.size() != 1) {
      throw new ConfigException("no list of what was added (expected: {\"" + LIST + "\":[...]})");
    }
    if (list.size() > MOST) {
      throw new ConfigException(list.size() + " instances (expected: at most " + MOST + ")");
    }
    List<One> out = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (int k = 0; k < list.size(); k++) {
      String place = LIST + "[" + k + "]: ";
      JsonNode n = list.get(k);
      try {
        One one = one(n, true);
        if (!names.add(one.known().name())) {
          throw new ConfigException(
              "name: " + one.known().name() + " (expected: a name for each of them)");
        }
        out.add(one);
      } catch (ConfigException e) {
        String name = n.path("name").asText();
        wrong.add(place + (name.isEmpty() ? "" : ModelNames.shown(name) + ": ") + e.getMessage());
      }
    }
    return out;
  }

  /// Adds one.
  ///
  /// @param body its fields
  /// @param taken names that are in use
  /// @return its name
  /// @throws ConfigException for a field that cannot be used
  /// @throws IllegalStateException when its name is taken, there are too many, or the file is
  ///   another router's
  /// @throws IOException when it cannot be kept
  synchronized String add(JsonNode body, Set<String> taken) throws ConfigException, IOException {
    boolean keep = body.path("keep").asBoolean(false);
    One one = one(body, keep);
    if (keep && file == null) {
      throw new ConfigException("keep: true (expected: a router with added_instances = FILE)");
    }
    String name = one.known().name();
    boolean isTold = told.stream().anyMatch(k -> k.name().equals(name));
    if (isTold || taken.contains(name) || added.containsKey(name)) {
      throw new IllegalStateException(
          "name: " + name + " (expected: a name that no instance has here)");
    }
    if (added.size() >= MOST) {
      throw new IllegalStateException(
          added.size() + " instances were added (expected: at most " + MOST + ")");
    }
    Map<String, One> next = new LinkedHashMap<>(added);
    next.put(name, one);
    take(next, keep);
    return name;
  }

  /// What became of one that was to be removed.
  enum Removal {
    /// None of that name was added.
    NONE,
    REMOVED,
    /// It was added, and had given way to one of that name in a file or flag, which stays.
    TOLD_STAYS
  }

  /// Removes one that was added.
  ///
  /// @throws IllegalStateException when the file that keeps it is another router's
  /// @throws IOException when it would come back with the next start
  synchronized Removal remove(String name) throws IOException {
    One one = added.get(name);
    if (one == null) {
      return Removal.NONE;
    }
    Map<String, One> next = new LinkedHashMap<>(added);
    next.remove(name);
    take(next, one.kept());
    return told.stream().anyMatch(k -> k.name().equals(name))
        ? Removal.TOLD_STAYS
        : Removal.REMOVED;
  }

  /// Names of those that are here because they were added over HTTP; never waits for a disk.
  Set<String> names() {
    return here;
  }

  /// @param save whether what the file keeps is another than before
  private void take(Map<String, One> next, boolean save) throws IOException {
    if (file != null && save) {
      List<Object> kept = new ArrayList<>();
      next.values().stream().filter(One::kept).forEach(o -> kept.add(o.options()));
      file.save(Json.bytes(Map.of(LIST, kept)));
    }
    added = next;
    tellAll();
  }

  @Override
  public synchronized void close() {
    if (file != null) {
      file.close();
    }
  }

  private static One one(JsonNode body, boolean keep) throws ConfigException {
    if (!body.isObject()) {
      throw new ConfigException("the body is no JSON object (expected: {\"url\": ...})");
    }
    Map<String, String> options = new TreeMap<>();
    for (Map.Entry<String, JsonNode> e : body.properties()) {
      String field = e.getKey();
      if (!FIELDS.contains(field)) {
        throw new ConfigException(
            field
                + Words.hint(field, FIELDS)
                + " (expected: "
                + String.join(", ", FIELDS)
                + "; keys, CA files and sockets stand in the router's file)");
      }
      JsonNode v = e.getValue();
      if (field.equals("keep")) {
        if (!v.isBoolean()) {
          throw new ConfigException("keep: " + v + " (expected: true or false)");
        }
      } else if (!v.isTextual() && !v.isIntegralNumber()) {
        throw new ConfigException(field + ": " + v + " (expected: a text or a whole number)");
      } else {
        options.put(field, v.asText());
      }
    }
    String url = options.getOrDefault("url", "");
    if (url.startsWith(Known.UNIX) || url.isEmpty()) {
      throw new ConfigException(
          "url: "
              + (url.isEmpty() ? "missing" : url)
              + " (expected: http://host:port or https://...)");
    }
    if (options.getOrDefault("name", "").length() > LONGEST_NAME) {
      throw new ConfigException(
          "name: too long (expected: at most " + LONGEST_NAME + " characters)");
    }
    Map<String, String> rest = new TreeMap<>(options);
    rest.remove("url");
    Known known =
        new StaticServices.Spec(option -> option, url, rest, Map.of()).known().from(Known.ADMIN);
    return new One(known, options, keep);
  }
}
