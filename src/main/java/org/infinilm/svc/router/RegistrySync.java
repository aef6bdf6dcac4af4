package org.infinilm.svc.router;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.Service;
import org.infinilm.svc.registry.TableSource;
import org.infinilm.svc.registry.Watch;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Follows the registry's table: waits for its next version, or asks every interval where the
/// registry cannot wait. A registry that is away changes nothing here.
final class RegistrySync implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RegistrySync.class);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);

  private final TableSource registry;
  private final Duration interval;
  private final FleetKeeper keeper;
  private final Ticker ticker;
  private final SourceBoard.Track track;
  private final Thread thread;
  private volatile boolean reached;

  /// @param home where the registry is, for people
  RegistrySync(
      TableSource registry, String home, Duration interval, FleetKeeper keeper, Ticker ticker) {
    this.ticker = ticker;
    String kind = home.startsWith("etcd") ? SourceBoard.ETCD : Known.REGISTRY;
    this.track = keeper.sources().track(home, kind);
    this.registry = registry;
    this.interval = interval;
    this.keeper = keeper;
    this.thread = Thread.ofVirtual().name("registry-sync").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  private void run() {
    String version = null;
    String troubled = null;
    List<Known> listed = List.of();
    Duration pause = FIRST_PAUSE;
    Reader reader = new Reader();
    try {
      while (true) {
        try {
          long asked = ticker.nanos();
          Watch w = registry.watch(version, interval);
          if (!reached) {
            LOG.info("following the registry");
          }
          reached = true;
          List<Known> known = reader.known(w.services());
          keeper.tell(new FleetKeeper.Report.Table(known, w.deleted()));
          pause = FIRST_PAUSE;
          boolean old = w.version().isEmpty();
          String trouble = w.trouble();
          boolean news =
              !old && !(w.version().equals(version) && Objects.equals(trouble, troubled));
          troubled = trouble;
          track.listed(
              known.size(), !known.equals(listed), trouble == null ? List.of() : List.of(trouble));
          listed = known;
          version = old ? null : w.version();
          Duration left = interval.minusNanos(ticker.nanos() - asked);
          if (!news && left.isPositive()) {
            Thread.sleep(left);
          }
        } catch (IOException | RuntimeException | Error e) {
          if (reached || pause.equals(FIRST_PAUSE)) {
            LOG.warn("{}; keeping the last table", e instanceof IOException ? e.getMessage() : e);
          }
          if (!(e instanceof IOException)) {
            Endless.note("following the registry", e);
          }
          reached = false;
          track.away(String.valueOf(e instanceof IOException ? e.getMessage() : e));
          version = null;
          Thread.sleep(pause);
          pause = pause.multipliedBy(2).compareTo(interval) < 0 ? pause.multipliedBy(2) : interval;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Reads tables one after the other, of each what is not as it was in the last one: what is the
  /// same are the same objects. One thread at a time.
  static final class Reader {
    private Map<String, Read> last = Map.of();

    /// @param known null for one that cannot be used
    private record Read(Service service, @Nullable Known known) {}

    /// As [RegistrySync#known].
    List<Known> known(List<Service> services) {
      Map<String, Read> now = HashMap.newHashMap(services.size());
      List<Known> out = new ArrayList<>(services.size());
      for (Service s : services) {
        Read before = last.get(s.name());
        Known k =
            before != null && before.service().saysTheSameAs(s)
                ? before.known()
                : RegistrySync.known(s);
        now.put(s.name(), new Read(s, k));
        if (k != null) {
          out.add(k);
        }
      }
      last = now;
      return out;
    }
  }

  /// The entries that serve OpenAI routes; one that cannot be used is left out and named.
  static List<Known> known(List<Service> services) {
    List<Known> out = new ArrayList<>();
    for (Service s : services) {
      Known k = known(s);
      if (k != null) {
        out.add(k);
      }
    }
    return out;
  }

  private static @Nullable Known known(Service s) {
    if (!"openai-api".equals(s.metadata().get("type"))) {
      return null;
    }
    if (!StaticServices.isInstanceName(s.name())) {
      LOG.warn(
          "a registry entry is left out whose name is blank, a dot or two, or has control characters");
      return null;
    }
    BaseUrl url = baseUrl(s);
    if (url == null) {
      LOG.warn("registry entry {}: url {} (expected: http://host:port)", s.name(), s.url());
      return null;
    }
    return new Known(
        s.name(),
        s.host(),
        s.port(),
        url.toString(),
        Metadata.models(s.metadata()),
        Metadata.modelsList(s.metadata().get("models_list")),
        shown(s.metadata()),
        Metadata.weight(s.metadata().get("weight"), s.weight()),
        "running".equals(s.status()),
        s.isHealthy(),
        false,
        null,
        null,
        null,
        null,
        false,
        demand(s));
  }

  /// Metadata as anybody may see them: a key is for the babysitter alone.
  private static Map<String, Object> shown(Map<String, Object> metadata) {
    if (!metadata.containsKey(Registration.WAKE_KEY)) {
      return metadata;
    }
    Map<String, Object> out = new HashMap<>(metadata);
    out.remove(Registration.WAKE_KEY);
    return out;
  }

  private static Known.@Nullable Demand demand(Service s) {
    Object said = s.metadata().get(Registration.WAKE_KEY);
    String key = said instanceof String k && k.matches("[\\w.-]{1,200}") ? k : null;
    return Boolean.TRUE.equals(s.metadata().get(Registration.ON_DEMAND))
        ? new Known.Demand(s.status(), key, StartFailure.of(s.metadata()))
        : null;
  }

  /// The registered url when it is one that can be reached, else `http://host:port`.
  private static @Nullable BaseUrl baseUrl(Service s) {
    BaseUrl registered = BaseUrl.parse(s.url());
    return registered != null
        ? registered
        : BaseUrl.parse("http://" + BaseUrl.bracketed(s.host()) + ":" + s.port());
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
