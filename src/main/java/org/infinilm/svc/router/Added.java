package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
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
import org.infinilm.svc.config.Secrets;
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
final class Added {
  private static final Logger LOG = LoggerFactory.getLogger(Added.class);
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

  private final @Nullable Path file;
  private final Consumer<List<Known>> tell;
  private final Map<String, One> added = new LinkedHashMap<>();
  private List<Known> told;
  private volatile Set<String> here = Set.of();

  /// @param file where those that are kept stand, or null
  /// @param told of files and flags
  /// @param tell hears of all of them whenever one comes or goes
  Added(@Nullable Path file, List<Known> told, Consumer<List<Known>> tell) {
    this.file = file;
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

  /// Takes over what an earlier router has kept. A file that cannot be read is set aside and named.
  synchronized void load() {
    if (file != null) {
      try {
        for (JsonNode n : Json.tree(Files.readAllBytes(file)).path("instances")) {
          One one = one(n, true);
          added.put(one.known().name(), one);
        }
      } catch (NoSuchFileException none) {
        // nothing was kept yet
      } catch (IOException | ConfigException e) {
        added.clear();
        setAside(file, e);
      }
    }
    tellAll();
  }

  private static void setAside(Path file, Exception why) {
    try {
      Path aside = Secrets.OwnFiles.setAside(file, ".damaged");
      LOG.error(
          "added_instances: {}: {}; it is set aside as {}",
          file,
          why.getMessage(),
          aside.getFileName());
    } catch (IOException e) {
      LOG.error("added_instances: {} cannot be moved: {}", file, e.getMessage());
    }
  }

  /// Adds one.
  ///
  /// @param body its fields
  /// @param taken names that are in use
  /// @return its name
  /// @throws ConfigException for a field that cannot be used
  /// @throws IllegalStateException when its name is taken, or there are too many
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
    added.put(name, one);
    try {
      save();
    } catch (IOException e) {
      added.remove(name);
      throw e;
    }
    tellAll();
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
  /// @throws IOException when it would come back with the next start
  synchronized Removal remove(String name) throws IOException {
    One one = added.remove(name);
    if (one == null) {
      return Removal.NONE;
    }
    try {
      if (one.kept()) {
        save();
      }
    } catch (IOException e) {
      added.put(name, one);
      throw e;
    }
    tellAll();
    return told.stream().anyMatch(k -> k.name().equals(name))
        ? Removal.TOLD_STAYS
        : Removal.REMOVED;
  }

  /// Names of those that are here because they were added over HTTP; never waits for a disk.
  Set<String> names() {
    return here;
  }

  private void save() throws IOException {
    if (file == null) {
      return;
    }
    List<Object> kept = new ArrayList<>();
    added.values().stream().filter(One::kept).forEach(o -> kept.add(o.options()));
    Path next = file.resolveSibling(file.getFileName() + ".new");
    Secrets.OwnFiles.write(next, Json.text(Map.of("instances", kept)).getBytes(UTF_8));
    Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
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
