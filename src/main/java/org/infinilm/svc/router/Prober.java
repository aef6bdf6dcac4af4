package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Probes instances: each at its interval, suspects more often, never two probes of one at once.
/// Also reads the model list of instances that did not register one.
final class Prober implements AutoCloseable {
  private static final Duration SWEEP = Duration.ofMillis(200);
  private static final Duration SUSPECT = Duration.ofSeconds(1);
  private static final int AT_ONCE = 64;
  static final int NOTHING = -1;
  static final int REFUSED = -2;

  private final Client http;
  private final RouterConfig config;
  private final FleetKeeper keeper;
  private final Ticker ticker;
  private final Map<String, Long> dueNanos = new HashMap<>();
  private final Set<String> underWay = ConcurrentHashMap.newKeySet();
  private final Semaphore places = new Semaphore(AT_ONCE);
  private final Thread thread;

  Prober(Client http, RouterConfig config, FleetKeeper keeper, Ticker ticker) {
    this.http = http;
    this.config = config;
    this.keeper = keeper;
    this.ticker = ticker;
    this.thread = Thread.ofVirtual().name("prober").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  private void run() {
    try {
      while (true) {
        sweep();
        Thread.sleep(SWEEP);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void sweep() throws InterruptedException {
    long now = ticker.nanos();
    List<FleetKeeper.View> views = keeper.views();
    dueNanos.keySet().retainAll(views.stream().map(v -> v.instance().name()).toList());
    long interval = config.healthInterval().toNanos();
    long soon = Math.min(interval, SUSPECT.toNanos());
    for (FleetKeeper.View v : views) {
      String name = v.instance().name();
      Long due = dueNanos.get(name);
      if (due != null && v.suspect() && due - now > soon) {
        due = now + soon;
        dueNanos.put(name, due);
      }
      if ((due == null || due - now <= 0) && underWay.add(name)) {
        dueNanos.put(name, now + (v.suspect() ? soon : interval));
        places.acquire();
        Thread.ofVirtual()
            .name("probe ", 0)
            .start(() -> {
              try {
                probe(v);
              } finally {
                places.release();
                underWay.remove(name);
              }
            });
      }
    }
  }

  private void probe(FleetKeeper.View v) {
    Known k = v.known();
    String name = k.name();
    try {
      long before = ticker.nanos();
      String failure = failure(k);
      if (failure == null) {
        if (k.models() == null) {
          readModels(k);
        }
        keeper.tell(new FleetKeeper.Report.Up(name, (ticker.nanos() - before) / 1e9));
      } else {
        keeper.tell(new FleetKeeper.Report.Down(name, failure));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Why the instance must not be used, or null.
  private @Nullable String failure(Known k) throws InterruptedException {
    if (k.healthUrl() != null) {
      return status(k.healthUrl(), k) / 100 == 2 ? null : k.healthUrl() + " does not answer 2xx";
    }
    String management = "http://" + BaseUrl.bracketed(k.host()) + ":" + (k.port() + 1) + "/health";
    int babysitter = k.port() < 65535 ? status(management, k) : NOTHING;
    if (!k.fixed()) {
      return babysitter / 100 == 2
          ? null
          : management + (babysitter < 0 ? " does not answer" : " answers " + babysitter);
    }
    int own = status(k.at("/health"), k);
    return ofFixed(k.url(), babysitter, own);
  }

  /// Port + 1 of a server that nobody supervises may be another server, so what answers there
  /// counts only while this one accepts connections.
  static @Nullable String ofFixed(String url, int babysitter, int own) {
    if (own == REFUSED) {
      return url + " cannot be connected to";
    }
    if (babysitter / 100 == 2) {
      return null;
    }
    if (own < 0) {
      return url + " does not answer";
    }
    return own == 503 || own == 500 ? url + "/health answers " + own : null;
  }

  /// The status of a GET, [#NOTHING] when none came, [#REFUSED] when there was no connection.
  private int status(String url, Known k) throws InterruptedException {
    try {
      return client(k)
          .send("GET", URI.create(url), headers(k, url), new byte[0], config.healthTimeout())
          .status();
    } catch (IOException | IllegalArgumentException e) {
      return e.getCause() instanceof ConnectException ? REFUSED : NOTHING;
    }
  }

  private Client client(Known k) {
    return k.tls() == null ? http : http.with(k.tls());
  }

  /// The instance's key goes to the instance alone.
  static Headers headers(Known k, String url) {
    return k.authorization() == null || !url.startsWith(k.at("/"))
        ? Headers.NONE
        : new Headers(List.of(new Header("authorization", k.authorization())));
  }

  private void readModels(Known k) throws InterruptedException {
    try {
      Client.Reply r =
          client(k)
              .send(
                  "GET",
                  URI.create(k.at("/v1/models")),
                  headers(k, k.at("/")),
                  new byte[0],
                  config.healthTimeout());
      if (!r.ok()) {
        return;
      }
      JsonNode tree = Json.tree(r.body());
      JsonNode data = tree.isArray() ? tree : tree.path("data");
      List<String> ids = new ArrayList<>();
      List<Map<String, Object>> list = new ArrayList<>();
      for (JsonNode e : data) {
        if (e.path("id").isTextual()) {
          ids.add(e.path("id").asText());
          list.add(Json.plain(e));
        }
      }
      keeper.tell(new FleetKeeper.Report.Models(k.name(), ids, list));
    } catch (IOException e) {
      keeper.tell(new FleetKeeper.Report.Models(k.name(), List.of(), List.of()));
    }
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
