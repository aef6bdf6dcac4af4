package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.registry.Registration;

/// The model servers of a deployment as its router or registry lists them.
///
/// @param instances in order of name
record Fleet(List<Member> instances) {

  /// One model server.
  ///
  /// @param babysitter what watches it, at port + 1
  /// @param cacheType `paged`, `static` or empty
  /// @param state the router's word for it, as `routable` or `draining`; empty from a registry
  /// @param why why it is out of service, or empty
  /// @param rests whether it sleeps since it could not be started, or its babysitter is silent
  record Member(
      String name,
      URI url,
      URI babysitter,
      String cacheType,
      List<String> models,
      boolean healthy,
      String state,
      String why,
      boolean rests) {
    /// Whether it is well and does not run: a request has it started.
    boolean asleep() {
      return state.equals(ASLEEP) && !rests;
    }
  }

  /// The router's word for who sleeps.
  static final String ASLEEP = "asleep";

  Fleet {
    instances = List.copyOf(instances);
  }

  /// Reads the `services` of a router or a registry; only model servers count.
  ///
  /// @param from the host that was asked; it replaces addresses that mean "this machine"
  static Fleet of(JsonNode answer, String from) {
    TreeMap<String, Member> out = new TreeMap<>();
    for (JsonNode s : answer.path("services")) {
      JsonNode meta = s.path("metadata");
      String type = meta.path("type").asText("openai-api");
      int port = s.path("port").asInt();
      if (!type.equals("openai-api") || port <= 0) {
        continue;
      }
      List<String> models = new ArrayList<>();
      JsonNode listed = s.path("models").isArray() ? s.path("models") : meta.path("models");
      listed.forEach(m -> models.add(m.asText()));
      String name = s.path("name").asText();
      String host = reach(s.path("host").asText(), from);
      boolean secure = s.path("url").asText().startsWith("https://");
      boolean tls = meta.path(Registration.BABYSITTER_SCHEME).asText().equals("https");
      boolean healthy = s.path("healthy").asBoolean(s.path("is_healthy").asBoolean());
      out.put(
          name,
          new Member(
              name,
              URI.create((secure ? "https://" : "http://") + host + ":" + port),
              URI.create((tls ? "https://" : "http://") + host + ":" + (port + 1)),
              meta.path("cache_type").asText(""),
              models,
              healthy,
              s.path("state").asText(""),
              s.path("why_out").asText(""),
              s.path("not_before").isTextual() || s.path("babysitter_silent").asBoolean()));
    }
    return new Fleet(List.copyOf(out.values()));
  }

  /// A host as this machine can reach it.
  static String reach(String host, String from) {
    return switch (IpText.host(host)) {
      case "0.0.0.0", "::", "[::]", "localhost", "127.0.0.1", "::1", "[::1]", "" -> from;
      default -> BaseUrl.bracketed(host);
    };
  }

  Optional<Member> find(String name) {
    return instances.stream().filter(i -> i.name().equals(name)).findFirst();
  }

  List<Member> pool(String cacheType) {
    return instances.stream().filter(i -> i.cacheType().equals(cacheType)).toList();
  }

  /// The model to test with: one that both pools serve, else one that any instance serves.
  Optional<String> commonModel() {
    List<String> paged = modelsOf("paged");
    List<String> fixed = modelsOf("static");
    return paged.stream()
        .filter(fixed::contains)
        .findFirst()
        .or(() -> instances.stream().flatMap(i -> i.models().stream()).findFirst());
  }

  private List<String> modelsOf(String cacheType) {
    return pool(cacheType).stream().flatMap(i -> i.models().stream()).distinct().toList();
  }

  /// How many generation requests an instance has finished, by its own count; empty when it does
  /// not count or does not answer.
  static OptionalDouble requests(Probe probe, Member instance) throws InterruptedException {
    Probe.Seen seen = probe.quick(instance.url().resolve("/metrics"));
    return seen.ok() ? Counters.requests(seen.text()) : OptionalDouble.empty();
  }
}
