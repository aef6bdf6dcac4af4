package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.process.Proc;

/// What a deployment wrote down about itself so that another process can look at it and end it.
///
/// @param id in the environment of all its processes, see [Ending#MARK]
/// @param up the `infini up` that started it
/// @param address under which clients reach registry and router
/// @param asked the settings that it was started with; none of a deployment of an older version
/// @param serving whether all parts have served; false while it starts
/// @param parts in the order in which they were started
record State(
    String id,
    Instant started,
    Proc up,
    String address,
    int registryPort,
    int routerPort,
    Asked asked,
    boolean serving,
    List<Part> parts) {

  /// What a part is, in the order in which parts end.
  enum Role {
    ROUTER,
    BABYSITTER,
    REGISTRY
  }

  /// One process that `infini up` started.
  ///
  /// @param port its first port; an instance has it and the next; 0 when it is not known
  /// @param health answers 200 while the part is well
  record Part(
      String name, Role role, Proc process, int port, URI health, Path log, Instant started) {
    List<Integer> ports() {
      if (port == 0) {
        return List.of();
      }
      return role == Role.BABYSITTER ? List.of(port, port + 1) : List.of(port);
    }
  }

  State {
    parts = List.copyOf(parts);
  }

  State with(Part part) {
    List<Part> more = new ArrayList<>(parts);
    more.add(part);
    return new State(id, started, up, address, registryPort, routerPort, asked, serving, more);
  }

  State inService() {
    return new State(id, started, up, address, registryPort, routerPort, asked, true, parts);
  }

  URI router() {
    return URI.create(scheme(Role.ROUTER) + "://" + address + ":" + routerPort);
  }

  URI registry() {
    return URI.create(scheme(Role.REGISTRY) + "://" + address + ":" + registryPort);
  }

  /// What the part of a role is spoken to by.
  private String scheme(Role role) {
    return parts.stream()
        .filter(p -> p.role() == role)
        .map(p -> p.health().getScheme())
        .findFirst()
        .orElse("http");
  }

  /// Whether any process of it lives.
  boolean living() {
    return up.alive() || parts.stream().anyMatch(p -> p.process().alive());
  }

  byte[] json() {
    Map<String, Object> out = new TreeMap<>();
    out.put("id", id);
    out.put("started", started.toString());
    out.put("up", process(up));
    out.put("address", address);
    out.put("registry_port", registryPort);
    out.put("router_port", routerPort);
    out.put("settings", asked.values());
    out.put("serving", serving);
    out.put("parts", parts.stream().map(State::part).toList());
    return Json.bytes(out);
  }

  private static Map<String, Object> process(Proc p) {
    return Map.of("pid", p.pid(), "start", p.start());
  }

  private static Map<String, Object> part(Part p) {
    Map<String, Object> out = new TreeMap<>(process(p.process()));
    out.put("name", p.name());
    out.put("role", p.role().name());
    out.put("port", p.port());
    out.put("health", p.health().toString());
    out.put("log", p.log().toString());
    out.put("started", p.started().toString());
    return out;
  }

  /// @throws IOException when it is not what [#json] writes
  static State parse(byte[] json) throws IOException {
    try {
      JsonNode n = Json.tree(json);
      List<Part> parts = new ArrayList<>();
      Map<String, String> settings = new TreeMap<>();
      n.path("settings").properties().forEach(s -> settings.put(s.getKey(), s.getValue().asText()));
      for (JsonNode p : n.required("parts")) {
        parts.add(
            new Part(
                p.required("name").asText(),
                Role.valueOf(p.required("role").asText()),
                process(p),
                p.required("port").asInt(),
                URI.create(p.required("health").asText()),
                Path.of(p.required("log").asText()),
                Instant.parse(p.required("started").asText())));
      }
      return new State(
          n.required("id").asText(),
          Instant.parse(n.required("started").asText()),
          process(n.required("up")),
          n.required("address").asText(),
          n.required("registry_port").asInt(),
          n.required("router_port").asInt(),
          new Asked(settings),
          n.path("serving").asBoolean(true),
          parts);
    } catch (RuntimeException e) {
      throw new IOException("not a state file: " + e.getMessage(), e);
    }
  }

  private static Proc process(JsonNode n) {
    return new Proc(n.required("pid").asLong(), n.required("start").asText());
  }
}
