package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Checks a running deployment from outside, one line a check; a failed check does not stop the
/// others.
final class Validate {
  /// What to validate.
  ///
  /// @param host as it stands in a URL
  /// @param expect names of the instances that must be there; empty for the default
  /// @param model the model to ask, or null for one that is offered
  /// @param token for reading the registry, or null
  /// @param key of a client, for the router alone, or null
  record Target(
      String host,
      URI registry,
      URI router,
      List<String> expect,
      @Nullable String model,
      @Nullable String token,
      @Nullable String key) {
    /// @param router its registry is at the same host
    static Target of(
        BaseUrl router,
        int registryPort,
        List<String> expect,
        @Nullable String model,
        @Nullable String token,
        @Nullable String key) {
      BaseUrl registry = new BaseUrl(router.secure(), router.host(), registryPort, "");
      return new Target(
          router.host(),
          URI.create(registry.toString()),
          URI.create(router.toString()),
          expect,
          model,
          token,
          key);
    }
  }

  private final Probe probe;
  private final Target target;
  private final Report report;
  private final Ticker ticker;
  private boolean chatAnswered;

  Validate(Probe probe, Target target, Report report, Ticker ticker) {
    this.probe = probe;
    this.target = target;
    this.report = report;
    this.ticker = ticker;
  }

  void run() throws InterruptedException {
    health("registry health", target.registry(), "status healthy");
    boolean routerAnswers = health("router health", target.router(), "status healthy");
    Probe.Seen listed = discovery();
    Probe.Seen routed = probe.quick(target.router().resolve("/services"));
    Fleet fleet = Fleet.of((routed.ok() ? routed : listed).json(), target.host());
    if (routerAnswers) {
      models(fleet);
    }
    instances(fleet);
    if (!routerAnswers) {
      report.add(
          Check.of(
              "chat and size routing",
              false,
              "a router at " + target.router(),
              "none, so these were not checked (infini up starts one; --router-port names another"
                  + " port)"));
      return;
    }
    String model =
        Optional.ofNullable(target.model()).or(fleet::commonModel).orElse("9g_8b_thinking");
    RoutingChecks routing = new RoutingChecks(probe, target.router(), key(), fleet, model, ticker);
    Optional<SizeRule> rule = chat(routing, model, fleet);
    if (rule.isEmpty()) {
      report.add(
          Check.of(
              "size routing",
              false,
              "x-infini-size and x-infini-threshold on answers (decision_headers on)",
              chatAnswered ? "none, so it was not checked" : "no answer, so it was not checked"));
      return;
    }
    routing.sizes(rule.get(), report);
    long start = ticker.nanos();
    report.add(routing.consistency(rule.get()).took(since(start)));
    report.add(routing.traffic());
  }

  private boolean health(String name, URI server, String expected) throws InterruptedException {
    long start = ticker.nanos();
    URI uri = server.resolve("/health");
    Probe.Seen seen = probe.quick(uri);
    String status = seen.json().path("status").asText();
    boolean ok = seen.ok() && (status.equals("healthy") || isReady(server, status));
    String healthy = seen.json().path("healthy_services").asText();
    report.add(
        Check.of(
                name,
                ok,
                "HTTP 200 with " + expected + " from " + uri,
                ok ? uri + ", " + healthy + " services healthy" : seen.describe())
            .took(since(start)));
    return seen.failure() == null;
  }

  /// Whether a router of which nobody is in service takes requests all the same: all sleep.
  private boolean isReady(URI server, String status) throws InterruptedException {
    return status.equals("running")
        && server.equals(target.router())
        && probe.quick(server.resolve("/readyz")).ok();
  }

  private Probe.Seen discovery() throws InterruptedException {
    URI uri = target.registry().resolve("/services");
    Probe.Seen seen = probe.quick(uri, authorization());
    if (seen.ok()) {
      List<Discovery.Entry> entries = Discovery.entries(seen.json());
      Discovery.check(entries, Discovery.expected(entries, target.expect())).forEach(report::add);
    } else {
      report.add(
          Check.of(
              "discovery",
              false,
              "a list of entries from " + uri,
              seen.describe()
                  + (seen.status() == 401
                      ? " (--read-token, --token-file or INFINI_REGISTRY_READ_TOKEN gives the"
                          + " registry's token)"
                      : " (--registry-port or REGISTRY_PORT names another port)")));
    }
    return seen;
  }

  /// What a client shows to the router.
  private Headers key() {
    return Headers.bearer(target.key());
  }

  /// What was seen, and where a key was wanted how to give one.
  private String seen(Probe.Seen seen) {
    return seen.describe()
        + (seen.status() != 401
            ? ""
            : target.key() == null
                ? " (--api-key or OPENAI_API_KEY gives a client's key)"
                : " (the key is that of --api-key, else of OPENAI_API_KEY)");
  }

  private Headers authorization() {
    return Headers.bearer(target.token());
  }

  /// Both model lists of the router hold what the instances serve.
  private void models(Fleet fleet) throws InterruptedException {
    TreeSet<String> served = new TreeSet<>();
    fleet.instances().stream()
        .filter(Fleet.Member::healthy)
        .forEach(i -> served.addAll(i.models()));
    for (String path : List.of("/models", "/v1/models")) {
      long start = ticker.nanos();
      Probe.Seen seen = probe.quick(target.router().resolve(path), key());
      JsonNode answer = seen.json();
      List<String> ids = new ArrayList<>();
      answer.path("data").forEach(m -> ids.add(m.path("id").asText()));
      boolean ok =
          seen.ok()
              && answer.path("object").asText().equals("list")
              && !ids.isEmpty()
              && ids.containsAll(served);
      report.add(
          Check.of(
                  "models at " + path,
                  ok,
                  "a list with "
                      + (served.isEmpty() ? "at least one model" : String.join(", ", served)),
                  seen.ok() ? ids.isEmpty() ? "an empty list" : String.join(", ", ids) : seen(seen))
              .took(since(start)));
    }
  }

  /// Each instance and its babysitter, asked directly.
  private void instances(Fleet fleet) throws InterruptedException {
    if (fleet.instances().isEmpty()) {
      report.add(
          Check.of(
              "instance health",
              false,
              "instances to ask",
              "neither router nor registry lists any"));
    }
    for (Fleet.Member m : fleet.instances()) {
      if (m.asleep()) {
        report.add(asleep(m));
        continue;
      }
      for (URI server : List.of(m.url(), m.babysitter())) {
        long start = ticker.nanos();
        Probe.Seen seen = probe.quick(server.resolve("/health"));
        // as a babysitter has it: who knows no such path and lists models serves
        boolean lists =
            seen.status() == 404
                && server.equals(m.url())
                && probe.quick(server.resolve("/v1/models")).ok();
        String who = server.equals(m.url()) ? m.name() : "the babysitter of " + m.name();
        report.add(
            Check.of(
                    "health of " + who,
                    seen.ok() || lists,
                    "HTTP 200 from " + server.resolve("/health"),
                    seen.ok()
                        ? server.toString()
                        : lists
                            ? server + ", which has no /health and lists its models"
                            : seen.describe())
                .took(since(start)));
      }
    }
  }

  /// Of one that sleeps its babysitter alone answers.
  private Check asleep(Fleet.Member m) throws InterruptedException {
    long start = ticker.nanos();
    URI uri = m.babysitter().resolve("/health");
    Probe.Seen seen = probe.quick(uri);
    String status = seen.json().path("status").asText();
    return Check.of(
            "health of the babysitter of " + m.name(),
            status.equals(Fleet.ASLEEP),
            "status asleep from " + uri,
            status.isEmpty() ? seen.describe() : "status " + status)
        .took(since(start));
  }

  /// One plain and one streamed request; the first one's headers say which rule is in force.
  private Optional<SizeRule> chat(RoutingChecks routing, String model, Fleet fleet)
      throws InterruptedException {
    URI uri = target.router().resolve("/v1/chat/completions");
    long start = ticker.nanos();
    ChatBody hello = ChatBody.of(model, "Hello! Who are you?", 16, false);
    Probe.Seen plain = probe.post(uri, key(), hello.json());
    report.add(told(ChatChecks.plain(plain), plain).took(since(start)));
    start = ticker.nanos();
    Probe.Seen streamed =
        probe.post(uri, key(), ChatBody.of(model, "Hello! Who are you?", 16, true).json());
    report.add(told(ChatChecks.streamed(streamed), streamed).took(since(start)));
    chatAnswered = plain.ok() || streamed.ok();
    for (Probe.Seen seen : List.of(plain, streamed)) {
      if (seen.ok()) {
        routing.count(Answered.of(seen, fleet));
      }
    }
    return routing.rule(hello, plain);
  }

  private Check told(Check c, Probe.Seen seen) {
    return seen.status() == 401 ? Check.of(c.name(), c.ok(), c.expected(), seen(seen)) : c;
  }

  private double since(long start) {
    return (ticker.nanos() - start) / 1e9;
  }
}
