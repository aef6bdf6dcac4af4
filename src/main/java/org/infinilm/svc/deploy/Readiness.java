package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;

/// Waits until every part answers and every instance is routable through the router.
final class Readiness {
  private static final Duration POLL = Duration.ofMillis(50);

  /// What a client says where a handshake failed.
  private static final String TLS = "TLS with ";

  /// Such failures in a row that are more than an accident of the start.
  private static final int MOST_REFUSED = 5;

  private static final Duration PROBE = Duration.ofSeconds(1);

  /// What a babysitter says of itself when its server has ended.
  private static final Set<String> FAILED = Set.of("restarting", "failed");

  private final Probe probe;
  private final Plan plan;
  private final Group group;
  private final Ticker ticker;
  private final BiConsumer<String, URI> ready;
  private final Set<String> done = new LinkedHashSet<>();
  private final Map<String, String> why = new HashMap<>();
  private int refused;

  /// @param ready told once a part (or an instance) serves, with its address
  Readiness(Client client, Plan plan, Group group, Ticker ticker, BiConsumer<String, URI> ready) {
    this.probe = new Probe(client, PROBE);
    this.plan = plan;
    this.group = group;
    this.ticker = ticker;
    this.ready = ready;
  }

  /// Returns what went wrong, or empty when all serve.
  Optional<String> await(Duration limit) throws InterruptedException {
    long start = ticker.nanos();
    int rounds = 0;
    List<String> servers = plan.servers();
    while (!group.isEnding()) {
      Optional<Group.Dead> dead = group.dead();
      if (dead.isPresent()) {
        return Optional.of(dead.get().describe());
      }
      Optional<String> untrusted = look(servers);
      refused = untrusted.isPresent() ? refused + 1 : 0;
      if (refused > MOST_REFUSED) {
        return untrusted;
      }
      if (done.containsAll(servers)) {
        return Optional.empty();
      }
      if (++rounds % 10 == 0) {
        Optional<String> crashed = crashed();
        if (crashed.isPresent()) {
          return crashed;
        }
      }
      if (ticker.nanos() - start > limit.toNanos()) {
        return Optional.of(late(servers, limit));
      }
      Thread.sleep(POLL);
    }
    return Optional.empty();
  }

  /// Returns what no waiting mends.
  private Optional<String> look(List<String> servers) throws InterruptedException {
    Plan.Settings s = plan.settings();
    Optional<String> untrusted = part("registry", s.registry());
    if (untrusted.isEmpty()) {
      untrusted = part("router", s.router());
    }
    if (untrusted.isPresent() || !done.contains("router")) {
      return untrusted;
    }
    for (JsonNode i : probe.get(s.router().resolve("/services")).json().path("services")) {
      String name = i.path("name").asText();
      why.put(name, i.path("why_out").asText());
      boolean serves =
          i.path("healthy").asBoolean() || i.path("state").asText().equals(Fleet.ASLEEP);
      if (servers.contains(name) && !done.contains(name) && serves) {
        report(name, URI.create(i.path("url").asText("http://unknown")));
      }
    }
    return Optional.empty();
  }

  /// Looks whether a part answers; what is wrong with its certificate, if that is why it does not.
  private Optional<String> part(String name, URI at) throws InterruptedException {
    if (done.contains(name)) {
      return Optional.empty();
    }
    Probe.Seen seen = probe.get(at.resolve("/health"));
    if (seen.ok()) {
      report(name, at);
    }
    String failure = seen.failure();
    return failure == null || !failure.contains(TLS)
        ? Optional.empty()
        : Optional.of(
            "the "
                + name
                + " runs, but nobody here can speak to it: "
                + failure
                + " (expected: a --tls-cert for "
                + at.getHost()
                + " by an authority of --ca-file; infini cert dev makes both)");
  }

  private void report(String name, URI address) {
    done.add(name);
    ready.accept(name, address);
  }

  /// An embedded engine that ended before it ever served: its babysitter is about to start it
  /// again.
  private Optional<String> crashed() throws InterruptedException {
    for (Plan.Part p : plan.parts()) {
      if (!p.embedded() || done.contains(p.name() + Discovery.SERVER)) {
        continue;
      }
      String status = probe.get(p.health()).json().path("status").asText();
      if (FAILED.contains(status)) {
        return log(p.name())
            .map(tail -> "the server of " + p.name() + " ended before it served" + tail);
      }
    }
    return Optional.empty();
  }

  private String late(List<String> servers, Duration limit) {
    StringBuilder said = new StringBuilder();
    for (String name : servers) {
      if (!done.contains(name)) {
        String part = name.substring(0, name.length() - Discovery.SERVER.length());
        said.append(name)
            .append(" does not serve through the router after ")
            .append(limit.toSeconds())
            .append(" s")
            .append(
                why.getOrDefault(name, "").isEmpty()
                    ? ""
                    : ", of which the router says: " + why.get(name))
            .append(log(part).orElse(""))
            .append('\n');
      }
    }
    return said.toString().strip();
  }

  private Optional<String> log(String part) {
    return group.state().parts().stream()
        .filter(p -> p.name().equals(part))
        .map(p -> Group.tail(p.log()))
        .findFirst();
  }
}
