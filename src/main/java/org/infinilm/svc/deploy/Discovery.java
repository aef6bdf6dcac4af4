package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.infinilm.svc.registry.Registration;
import org.jspecify.annotations.Nullable;

/// Judges what the registry lists: every instance has two entries, `NAME` (babysitter, port + 1)
/// and `NAME-server` (the model server). Pure.
final class Discovery {
  static final String SERVER = "-server";

  private static final String RUNNING = "running";
  private static final String ASLEEP = "asleep";

  /// The pair of the seed's deployment.
  static final List<String> SEED =
      List.of("paged-cache-9g_8b_thinking", "static-cache-9g_8b_thinking");

  /// One entry as the registry shows it.
  ///
  /// @param status its babysitter's word: `running`, `draining`, `asleep` ...
  record Entry(
      String name,
      int port,
      boolean openAi,
      boolean healthy,
      String health,
      @Nullable String cacheType,
      @Nullable String parent,
      String status) {
    Entry(
        String name,
        int port,
        boolean openAi,
        boolean healthy,
        String health,
        @Nullable String cacheType,
        @Nullable String parent) {
      this(name, port, openAi, healthy, health, cacheType, parent, RUNNING);
    }

    static Entry of(JsonNode service) {
      JsonNode meta = service.path("metadata");
      return new Entry(
          service.path("name").asText(),
          service.path("port").asInt(),
          meta.path("type").asText().equals("openai-api"),
          service.path("is_healthy").asBoolean(),
          service.path("health_status").asText("unknown"),
          text(meta, "cache_type"),
          text(meta, "parent_service"),
          status(meta, service.path("status").asText(RUNNING)));
    }

    /// One that does not say that it runs on demand cannot be woken.
    private static String status(JsonNode meta, String said) {
      if (!said.equals(ASLEEP)) {
        return said;
      }
      JsonNode failed = meta.path(Registration.START_FAILED);
      if (failed.has(Registration.UNTIL)) {
        return "asleep, its start failed: " + failed.path(Registration.CAUSE).asText();
      }
      return meta.path(Registration.ON_DEMAND).asBoolean() ? said : "stopped";
    }

    boolean asleep() {
      return status.equals(ASLEEP);
    }

    private static @Nullable String text(JsonNode meta, String key) {
      return meta.path(key).isTextual() ? meta.path(key).asText() : null;
    }

    /// The name without `-server`.
    String base() {
      return name.endsWith(SERVER) ? name.substring(0, name.length() - SERVER.length()) : name;
    }
  }

  private Discovery() {}

  static List<Entry> entries(JsonNode services) {
    List<Entry> out = new ArrayList<>();
    services.path("services").forEach(s -> out.add(Entry.of(s)));
    return out;
  }

  /// The instances that must be there: those asked for; else the seed's two when one of them is
  /// listed or nothing is; else all that are listed.
  static List<String> expected(List<Entry> entries, List<String> asked) {
    if (!asked.isEmpty()) {
      return asked;
    }
    List<String> listed =
        entries.stream().filter(Entry::openAi).map(Entry::base).distinct().sorted().toList();
    boolean seed = entries.stream().map(Entry::base).anyMatch(SEED::contains);
    return seed || listed.isEmpty() ? SEED : listed;
  }

  /// One check an entry, and one for the two pools.
  static List<Check> check(List<Entry> entries, List<String> instances) {
    List<Check> out = new ArrayList<>();
    for (String name : instances) {
      out.add(babysitter(entries, name));
      out.add(server(entries, name));
    }
    out.add(pools(entries));
    return out;
  }

  private static Check babysitter(List<Entry> entries, String name) {
    String expected = "registered and healthy";
    boolean sleeps = find(entries, name + SERVER).filter(Entry::asleep).isPresent();
    return find(entries, name)
        .map(e -> entry(e, expected, "", sleeps))
        .orElseGet(() -> missing(entries, name, expected));
  }

  private static Check server(List<Entry> entries, String name) {
    String expected = "registered and healthy, type openai-api, one port below its babysitter";
    Optional<Entry> found = find(entries, name + SERVER);
    if (found.isEmpty()) {
      return missing(entries, name + SERVER, expected);
    }
    Entry e = found.get();
    String wrong = "";
    if (!e.openAi()) {
      wrong = "metadata.type is not openai-api";
    } else if (e.parent() != null && !e.parent().equals(name)) {
      wrong = "metadata.parent_service is " + e.parent();
    } else {
      wrong =
          find(entries, name)
              .filter(b -> b.port() != e.port() + 1)
              .map(b -> "port " + e.port() + ", its babysitter at port " + b.port())
              .orElse("");
    }
    return entry(e, expected, wrong, e.asleep());
  }

  /// @param sleeps whether it is well without being healthy
  private static Check entry(Entry e, String expected, String wrong, boolean sleeps) {
    boolean well = sleeps || (e.healthy() && !e.health().equals("unhealthy"));
    boolean ok = well && wrong.isEmpty();
    String state =
        sleeps
            ? "registered, asleep until a request comes"
            : e.healthy()
                ? e.health().equals("unhealthy") ? "registered, its probe fails" : "registered"
                : e.status().equals("running")
                    ? "registered, without a heartbeat of late"
                    : "registered, " + e.status();
    String cache = e.cacheType() == null ? "" : ", cache_type " + e.cacheType();
    String seen = state + ", port " + e.port() + ", probe " + e.health() + cache;
    return Check.of(title(e.name()), ok, expected, wrong.isEmpty() ? seen : seen + "; " + wrong);
  }

  private static Check missing(List<Entry> entries, String name, String expected) {
    String listed = entries.stream().map(Entry::name).sorted().collect(Collectors.joining(", "));
    return Check.of(
        title(name),
        false,
        expected,
        name
            + ": not registered (the registry lists "
            + (listed.isEmpty() ? "nothing" : listed)
            + ")");
  }

  private static Check pools(List<Entry> entries) {
    long paged = count(entries, "paged");
    long fixed = count(entries, "static");
    return Check.of(
        "discovery of both pools",
        paged > 0 && fixed > 0,
        "at least one paged and one static instance",
        paged + " paged, " + fixed + " static");
  }

  private static long count(List<Entry> entries, String cacheType) {
    return entries.stream()
        .filter(e -> e.openAi() && (e.healthy() || e.asleep()) && cacheType.equals(e.cacheType()))
        .count();
  }

  private static Optional<Entry> find(List<Entry> entries, String name) {
    return entries.stream().filter(e -> e.name().equals(name)).findFirst();
  }

  private static String title(String entry) {
    return "discovery of " + entry;
  }
}
