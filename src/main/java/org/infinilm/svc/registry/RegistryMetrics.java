package org.infinilm.svc.registry;

import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// The registry's `/metrics`; built at the first scrape.
final class RegistryMetrics {
  /// Label values; any other type counts as `other`.
  private static final Set<String> TYPES =
      Set.of(
          "openai-api",
          "command",
          "vllm",
          "mock",
          "infinilm",
          "infinilm-rust",
          "engine",
          "simulate");

  private record Labels(String type, String health) implements Comparable<Labels> {
    @Override
    public int compareTo(Labels o) {
      return (type + " " + health).compareTo(o.type + " " + o.health);
    }
  }

  private final LeaseStore store;
  private final Tls.@Nullable Listener tls;
  private @Nullable Metrics metrics;

  RegistryMetrics(LeaseStore store, Tls.@Nullable Listener tls) {
    this.store = store;
    this.tls = tls;
  }

  synchronized byte[] scrape() {
    Metrics m = metrics;
    if (m == null) {
      m = new Metrics();
      m.gauge(
          "infini_registry_services",
          "Entries by metadata.type; health is healthy, unhealthy, draining or asleep.",
          this::count,
          "type",
          "health");
      m.gauge(
          "infini_registry_journal_failing",
          "1 while changes are in memory alone although a journal is wanted.",
          out -> out.call(store.journal().equals("failing") ? 1 : 0));
      if (tls != null) {
        TlsSettings.show(m, tls);
      }
      metrics = m;
    }
    return m.scrape();
  }

  private void count(GaugeWithCallback.Callback out) {
    Now now = store.now();
    Map<Labels, Integer> counts = new TreeMap<>();
    for (Lease l : store.table().all()) {
      counts.merge(new Labels(type(l.entry()), health(l, now)), 1, Integer::sum);
    }
    counts.forEach((labels, n) -> out.call(n, labels.type(), labels.health()));
  }

  private static String type(Entry e) {
    Object type = e.metadata().get("type");
    return type instanceof String s && TYPES.contains(s.toLowerCase(Locale.ROOT))
        ? s.toLowerCase(Locale.ROOT)
        : "other";
  }

  private static String health(Lease l, Now now) {
    if (l.entry().status().equals(Entry.DRAINING)) {
      return "draining";
    }
    if (l.entry().status().equals(Entry.ASLEEP)) {
      return "asleep";
    }
    return l.isHealthy(now) ? "healthy" : "unhealthy";
  }
}
