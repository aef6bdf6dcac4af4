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
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads `/v1/models` of instances that registered no models, or whose engine has more to say than
/// it registers ([EngineWords], and which models are in memory): once, again now and then, and when
/// one comes back into service; with every probe where it says which models are in memory.
/// Thread-safe.
///
/// A list that cannot be read changes nothing: a busy instance keeps its models. It is empty only
/// when a 2xx says so, or when there is no such route (404).
final class ModelLists {
  private static final Logger LOG = LoggerFactory.getLogger(ModelLists.class);
  private static final Duration AGAIN = Duration.ofMinutes(5);
  private static final Duration MOVING_AGAIN = Duration.ofSeconds(10);
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration MOST_PAUSE = Duration.ofMinutes(1);

  /// Largest list that is read; some thousand models with all that engines say of them.
  private static final int MOST_BYTES = 4 << 20;

  /// A list that has to be read since its instance came back, or has shown that it is another.
  ///
  /// @param hurried whether a probe was asked for, which may have failed
  private record Owed(long dueNanos, Duration pause, boolean hurried) {}

  private final Client http;
  private final Duration timeout;
  private final Consumer<Report> tell;
  private final Ticker ticker;
  private final Map<String, Long> readNanos = new ConcurrentHashMap<>();

  /// Those whose models come and go in memory.
  private final Set<String> moving = ConcurrentHashMap.newKeySet();

  private final Map<String, Owed> owed = new ConcurrentHashMap<>();
  private final Map<String, String> complaints = new ConcurrentHashMap<>();

  ModelLists(Client http, Duration timeout, Consumer<Report> tell, Ticker ticker) {
    this.http = http;
    this.timeout = timeout;
    this.tell = tell;
    this.ticker = ticker;
  }

  /// Whether the list of an instance is to be read now.
  boolean due(View v, boolean cameBack) {
    List<Map<String, Object>> registered = v.known().modelsList();
    if (v.known().models() != null
        && (registered == null
            || (EngineWords.of(registered) == null
                && registered.stream().noneMatch(Metadata::saysModelState)))) {
      return false;
    }
    String name = v.known().name();
    Long last = readNanos.get(name);
    long now = ticker.nanos();
    if (cameBack && last != null) {
      owed.put(name, new Owed(now, FIRST_PAUSE, true));
    }
    Duration again = moving.contains(name) ? MOVING_AGAIN : AGAIN;
    return last == null || overdue(name) || now - last >= again.toNanos();
  }

  /// Has a list read again at once, unless it was read just now: its instance says that it has not
  /// a model of it. Nothing for those whose list is not read here.
  void outdated(String name) {
    Long last = readNanos.get(name);
    long now = ticker.nanos();
    if (last != null && now - last >= MOVING_AGAIN.toNanos()) {
      owed.putIfAbsent(name, new Owed(now, FIRST_PAUSE, false));
    }
  }

  private boolean overdue(String name) {
    Owed o = owed.get(name);
    return o != null && ticker.nanos() - o.dueNanos() >= 0;
  }

  /// Whether a list that may be another since its instance came back should be read without waiting
  /// for the next probe; true once each time it is due.
  boolean hurry(String name) {
    Owed o = owed.get(name);
    return o != null
        && !o.hurried()
        && overdue(name)
        && owed.replace(name, o, new Owed(o.dueNanos(), o.pause(), true));
  }

  void keepOnly(Set<String> names) {
    owed.keySet().retainAll(names);
    readNanos.keySet().retainAll(names);
    moving.retainAll(names);
    complaints.keySet().retainAll(names);
  }

  /// Reads the list and tells it.
  ///
  /// @return the list, or null when it could not be read
  @Nullable List<Map<String, Object>> read(Known k) throws InterruptedException {
    String url = k.at("/v1/models");
    try {
      Client.Reply r = get(k, url);
      if (!r.ok() && r.status() != 404) {
        complain(k, url + " answers " + r.status() + " (expected: 200" + hint(r.status()));
        return null;
      }
      List<Map<String, Object>> list = r.ok() ? besides(k, of(r.body())) : List.of();
      readNanos.put(k.name(), ticker.nanos());
      owed.remove(k.name());
      complaints.remove(k.name());
      if (list.stream().anyMatch(Metadata::saysModelState)) {
        moving.add(k.name());
      } else {
        moving.remove(k.name());
      }
      tell.accept(new Report.Models(k.name(), Metadata.names(list), list));
      return list;
    } catch (IOException | RuntimeException | StackOverflowError | OutOfMemoryError e) {
      complain(k, url + " cannot be read: " + (e instanceof IOException ? e.getMessage() : e));
      return null;
    }
  }

  private Client.Reply get(Known k, String url) throws IOException, InterruptedException {
    return Prober.client(http, k)
        .send("GET", URI.create(url), Prober.headers(k, url), new byte[0], timeout, MOST_BYTES);
  }

  /// The list with what the engine says elsewhere; alone where it has no such route. Where there
  /// was one before, a moment without an answer changes nothing.
  private List<Map<String, Object>> besides(Known k, List<Map<String, Object>> list)
      throws IOException, InterruptedException {
    EngineWords words = EngineWords.of(list);
    if (words == null) {
      return list;
    }
    String url = k.at(words.target());
    try {
      Client.Reply r = get(k, url);
      if (r.ok()) {
        return words.added(list, Json.tree(r.body()));
      }
      if (r.status() / 100 == 4 && r.status() != 429) {
        return list;
      }
      throw new IOException(url + " answers " + r.status());
    } catch (IOException e) {
      if (readNanos.containsKey(k.name())) {
        throw e;
      }
      return list;
    }
  }

  private static String hint(int status) {
    return status == 401 || status == 403 ? "; is its api_key_env right?)" : ")";
  }

  /// Says what keeps a list from being read, in the log once. Where one is owed it is read again
  /// after a pause that grows.
  private void complain(Known k, String what) {
    owed.computeIfPresent(
        k.name(),
        (n, o) -> {
          Duration next = o.pause().multipliedBy(2);
          return new Owed(
              ticker.nanos() + o.pause().toNanos(),
              next.compareTo(MOST_PAUSE) < 0 ? next : MOST_PAUSE,
              false);
        });
    tell.accept(new Report.Unlisted(k.name(), what));
    if (!what.equals(complaints.put(k.name(), what))) {
      LOG.warn("instance {}: {}; its models stay as they are", k.name(), what);
    }
  }

  /// The list that an answer holds, without models whose names no line of a log could carry.
  ///
  /// @throws IOException when it is no model list
  static List<Map<String, Object>> of(byte[] body) throws IOException {
    JsonNode tree = Json.tree(body);
    JsonNode data = tree.isArray() ? tree : tree.path("data");
    if (!data.isArray()) {
      throw new IOException("no list of models (expected: {\"data\":[...]})");
    }
    List<Map<String, Object>> list = new ArrayList<>();
    for (JsonNode e : data) {
      if (e.path("id").isTextual() && StaticServices.isName(e.path("id").asText())) {
        list.add(Json.plain(e));
      }
    }
    return list;
  }
}
