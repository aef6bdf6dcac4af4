package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// How a deployment is at one moment.
record Status(
    List<PartRow> parts,
    List<InstanceRow> instances,
    List<ModelRow> learned,
    Sight sight,
    boolean routerAnswers) {

  /// @param health `ok`, or why not
  record PartRow(String name, long pid, int port, boolean alive, String health, Duration uptime) {
    boolean ok() {
      return alive && (health.equals("ok") || health.equals(Fleet.ASLEEP));
    }
  }

  /// @param state the router's word for it, as everywhere: `routable`, `draining`, `ejected` ...
  /// @param why why it is out of service, or empty
  /// @param asleep whether a request has it started
  /// @param served requests that the router sent to it and finished
  record InstanceRow(
      String name,
      String pool,
      boolean healthy,
      String state,
      String why,
      boolean asleep,
      long inflight,
      long served) {
    /// In service, or started for a request.
    boolean ok() {
      return healthy || asleep;
    }

    String words() {
      return why.isEmpty() ? state : state + ": " + why;
    }
  }

  /// What a learned policy knows of a model.
  ///
  /// @param decides who decides for it: cold, learned, fallback or shadow
  /// @param threshold largest size that is better off on paged instances, `-` while it is not known
  record ModelRow(String model, String decides, String threshold, long answers) {}

  static Status look(State state, Probe probe, Instant now) throws InterruptedException {
    List<PartRow> parts = new ArrayList<>();
    for (State.Part p : state.parts()) {
      boolean alive = p.process().alive();
      Probe.Seen seen = alive ? probe.get(p.health()) : null;
      String health = seen == null ? "ended" : health(seen);
      Duration uptime = alive ? Duration.between(p.started(), now) : Duration.ZERO;
      parts.add(new PartRow(p.name(), p.process().pid(), p.port(), alive, health, uptime));
    }
    Probe.Seen services = probe.get(state.router().resolve("/stats"));
    Probe.Seen metrics = probe.get(state.router().resolve("/metrics"));
    String page = metrics.ok() ? metrics.text() : "";
    return new Status(
        parts,
        instances(Fleet.of(services.json(), state.address()), page),
        learned(probe.get(state.router().resolve("/decisions?limit=0")).json()),
        Sight.of(services.json()),
        services.failure() == null);
  }

  /// @param decisions as `/decisions` tells them; requests that name no model have none there
  static List<ModelRow> learned(JsonNode decisions) {
    List<ModelRow> out = new ArrayList<>();
    for (JsonNode m : decisions.path("learned")) {
      JsonNode size = m.path("effective_threshold");
      out.add(
          new ModelRow(
              m.path("model").asText("-"),
              m.path("decides").asText(),
              size.isNumber() ? size.asText() : "-",
              m.path("answers").asLong()));
    }
    return out;
  }

  /// `ok`, the word that the part says of itself, or why it does not answer.
  private static String health(Probe.Seen seen) {
    String word = seen.json().path("status").asText();
    return seen.ok() ? "ok" : word.isEmpty() ? seen.describe() : word;
  }

  private static List<InstanceRow> instances(Fleet fleet, String metrics) {
    Map<String, Double> inflight = Counters.byLabel(metrics, "infini_router_inflight", "instance");
    Map<String, Double> served =
        Counters.byLabel(metrics, "infini_router_requests_total", "instance");
    return fleet.instances().stream()
        .map(i ->
            new InstanceRow(
                i.name(),
                i.cacheType().isEmpty() ? "any" : i.cacheType(),
                i.healthy(),
                i.state(),
                i.why(),
                i.asleep(),
                Math.round(inflight.getOrDefault(i.name(), 0.0)),
                Math.round(served.getOrDefault(i.name(), 0.0))))
        .toList();
  }

  /// Every part is well, every babysitter's instance is there and healthy, or asleep, and what
  /// lists instances answers.
  boolean ok() {
    return routerAnswers
        && parts.stream().allMatch(PartRow::ok)
        && !instances.isEmpty()
        && instances.stream().allMatch(InstanceRow::ok)
        && sight.ok();
  }

  Map<String, Object> json() {
    Map<String, Object> out = new TreeMap<>();
    out.put("ok", ok());
    out.put(
        "parts",
        parts.stream()
            .map(p ->
                Map.of(
                    "name", p.name(),
                    "pid", p.pid(),
                    "port", p.port(),
                    "alive", p.alive(),
                    "health", p.health(),
                    "uptime_seconds", p.uptime().toSeconds()))
            .toList());
    out.put(
        "instances",
        instances.stream()
            .map(i ->
                Map.of(
                    "name", i.name(),
                    "pool", i.pool(),
                    "healthy", i.healthy(),
                    "state", i.state(),
                    "why", i.why(),
                    "inflight", i.inflight(),
                    "served", i.served()))
            .toList());
    if (!learned.isEmpty()) {
      out.put(
          "learned",
          learned.stream()
              .map(m ->
                  Map.of(
                      "model", m.model(),
                      "decides", m.decides(),
                      "effective_threshold", m.threshold(),
                      "answers", m.answers()))
              .toList());
    }
    sight.tell(out);
    return out;
  }

  String tables(Terminal terminal) {
    StringBuilder out = new StringBuilder();
    out.append(row("PART", "PID", "PORT", "UPTIME", "HEALTH"));
    for (PartRow p : parts) {
      String health = p.ok() ? terminal.green(p.health()) : terminal.red(p.health());
      String pid = p.alive() ? String.valueOf(p.pid()) : "-";
      out.append(row(p.name(), pid, p.port(), words(p.uptime()), health));
    }
    out.append('\n');
    if (!routerAnswers) {
      return out.append(terminal.red("the router does not answer")).toString();
    }
    out.append(row("INSTANCE", "POOL", "IN-FLIGHT", "SERVED", "STATE"));
    for (InstanceRow i : instances) {
      String health = i.ok() ? terminal.green(i.words()) : terminal.red(i.words());
      out.append(row(i.name(), i.pool(), i.inflight(), i.served(), health));
    }
    if (!learned.isEmpty()) {
      out.append('\n').append(row("MODEL", "DECIDES", "THRESHOLD", "ANSWERS"));
      learned.forEach(m -> out.append(row(m.model(), m.decides(), m.threshold(), m.answers())));
    }
    out.append(sight.table(terminal));
    return out.toString().stripTrailing();
  }

  /// One row: the first column to the left, the other numbers and words to the right.
  static String row(Object... cells) {
    StringBuilder out = new StringBuilder();
    int[] widths = {34, 8, 9, 9};
    for (int i = 0; i < cells.length; i++) {
      String cell = String.valueOf(cells[i]);
      String pad = " ".repeat(i < widths.length ? Math.max(0, widths[i] - cell.length()) : 0);
      out.append(i == 0 ? "" : i < widths.length ? " " : "  ")
          .append(i == 0 ? cell + pad : pad + cell);
    }
    return out.toString().stripTrailing() + "\n";
  }

  static String words(Duration d) {
    if (d.isZero()) {
      return "-";
    }
    long s = d.toSeconds();
    return s < 60
        ? s + "s"
        : s < 3600 ? s / 60 + "m" + s % 60 + "s" : s / 3600 + "h" + s / 60 % 60 + "m";
  }
}
