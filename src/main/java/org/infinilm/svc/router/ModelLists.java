package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.infinilm.svc.router.FleetKeeper.View;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads `/v1/models` of instances that registered no models: once, again now and then, and when
/// one comes back into service. Thread-safe.
///
/// A list that cannot be read changes nothing: a busy instance keeps its models. It is empty only
/// when a 2xx says so, or when there is no such route (404).
final class ModelLists {
  private static final Logger LOG = LoggerFactory.getLogger(ModelLists.class);
  private static final Duration AGAIN = Duration.ofMinutes(5);

  private final Client http;
  private final Duration timeout;
  private final Consumer<Report> tell;
  private final Ticker ticker;
  private final Map<String, Long> readNanos = new ConcurrentHashMap<>();
  private final Map<String, String> complaints = new ConcurrentHashMap<>();

  ModelLists(Client http, Duration timeout, Consumer<Report> tell, Ticker ticker) {
    this.http = http;
    this.timeout = timeout;
    this.tell = tell;
    this.ticker = ticker;
  }

  /// Whether the list of an instance is to be read now.
  boolean due(View v, boolean cameBack) {
    Long last = readNanos.get(v.known().name());
    return last == null || cameBack || ticker.nanos() - last >= AGAIN.toNanos();
  }

  void keepOnly(Set<String> names) {
    readNanos.keySet().retainAll(names);
    complaints.keySet().retainAll(names);
  }

  void read(Known k) throws InterruptedException {
    String url = k.at("/v1/models");
    try {
      Client.Reply r =
          Prober.client(http, k)
              .send("GET", URI.create(url), Prober.headers(k, url), new byte[0], timeout);
      if (!r.ok() && r.status() != 404) {
        complain(k, url + " answers " + r.status() + " (expected: 200" + hint(r.status()));
        return;
      }
      Report.Models read =
          r.ok() ? of(k, r.body()) : new Report.Models(k.name(), List.of(), List.of());
      readNanos.put(k.name(), ticker.nanos());
      complaints.remove(k.name());
      tell.accept(read);
    } catch (IOException | IllegalArgumentException e) {
      complain(k, url + " cannot be read: " + e.getMessage());
    }
  }

  private static String hint(int status) {
    return status == 401 || status == 403 ? "; is its api_key_env right?)" : ")";
  }

  /// Says once what keeps a list from being read.
  private void complain(Known k, String what) {
    if (!what.equals(complaints.put(k.name(), what))) {
      LOG.warn("instance {}: {}; its models stay as they are", k.name(), what);
    }
  }

  /// The list that an answer holds.
  ///
  /// @throws IOException when it is no model list
  static Report.Models of(Known k, byte[] body) throws IOException {
    JsonNode tree = Json.tree(body);
    JsonNode data = tree.isArray() ? tree : tree.path("data");
    if (!data.isArray()) {
      throw new IOException("no list of models (expected: {\"data\":[...]})");
    }
    List<String> ids = new ArrayList<>();
    List<Map<String, Object>> list = new ArrayList<>();
    for (JsonNode e : data) {
      if (e.path("id").isTextual()) {
        ids.add(e.path("id").asText());
        list.add(Json.plain(e));
      }
    }
    return new Report.Models(k.name(), ids, list);
  }
}
