package org.infinilm.svc.registry;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/// The JSON that readers see, as plain maps; the mapper sorts the keys.
final class Answers {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss'+00:00'").withZone(ZoneOffset.UTC);

  private Answers() {}

  static Map<String, Object> service(Lease l, Now now) {
    Entry e = l.entry();
    Map<String, Object> m = new HashMap<>();
    m.put("name", e.name());
    m.put("host", e.host());
    m.put("port", e.port());
    m.put("hostname", e.hostname());
    m.put("url", e.url());
    m.put("status", e.status());
    m.put("metadata", e.metadata());
    m.put("timestamp", time(l.registeredAt()));
    m.put("health_status", l.probe().word());
    m.put("is_healthy", l.isHealthy(now));
    m.put("last_heartbeat", seconds(l.heartbeatAt()));
    Integer weight = e.weight();
    if (weight != null) {
      m.put("weight", weight);
    }
    return m;
  }

  static Map<String, Object> services(Collection<Lease> leases, Now now) {
    List<Object> list = new ArrayList<>();
    leases.forEach(l -> list.add(service(l, now)));
    return Map.of("services", list, "total", list.size(), "timestamp", time(now.wall()));
  }

  static Map<String, Object> watch(Table t, String version, Now now) {
    List<Object> list = new ArrayList<>();
    t.all().forEach(l -> list.add(service(l, now)));
    return Map.of(
        "version", version, "services", list, "deleted", new TreeSet<>(t.deleted().keySet()));
  }

  static Map<String, Object> registered(Lease l, Now now) {
    return Map.of(
        "message",
        "Service '" + l.name() + "' registered successfully",
        "service",
        service(l, now));
  }

  static Map<String, Object> updated(Lease l, Now now) {
    return Map.of(
        "message", "Service '" + l.name() + "' updated successfully", "service", service(l, now));
  }

  static Map<String, Object> unregistered(String name) {
    return Map.of("message", "Service '" + name + "' unregistered successfully");
  }

  static Map<String, Object> heartbeat(Now now) {
    return Map.of("message", "Heartbeat received", "timestamp", time(now.wall()));
  }

  static Map<String, Object> probed(Lease l, Now now) {
    return Map.of(
        "service",
        l.name(),
        "health_status",
        l.probe().word(),
        "is_healthy",
        l.isHealthy(now),
        "last_heartbeat",
        seconds(l.heartbeatAt()),
        "timestamp",
        time(now.wall()));
  }

  static Map<String, Object> health(Table t, Now now) {
    return Map.of(
        "status",
        "healthy",
        "registry",
        "running",
        "registered_services",
        t.all().size(),
        "healthy_services",
        healthy(t, now),
        "timestamp",
        time(now.wall()));
  }

  static Map<String, Object> stats(Table t, Now now, Duration uptime) {
    long healthy = healthy(t, now);
    return Map.of(
        "total_services",
        t.all().size(),
        "healthy_services",
        healthy,
        "unhealthy_services",
        t.all().size() - healthy,
        "host_distribution",
        counts(t, l -> l.entry().host()),
        "status_distribution",
        counts(t, l -> l.entry().status()),
        "uptime",
        uptime.toSeconds(),
        "timestamp",
        time(now.wall()));
  }

  static Map<String, Object> error(String text) {
    return Map.of("error", text);
  }

  /// RFC 3339 in UTC with `+00:00`, whole seconds.
  static String time(Instant t) {
    return TIME.format(t);
  }

  /// Epoch seconds with `.0`; a double would be written in scientific notation.
  static BigDecimal seconds(Instant t) {
    return BigDecimal.valueOf(t.getEpochSecond()).setScale(1);
  }

  private static long healthy(Table t, Now now) {
    return t.all().stream().filter(l -> l.isHealthy(now)).count();
  }

  private static Map<String, Integer> counts(Table t, Function<Lease, String> by) {
    Map<String, Integer> m = new TreeMap<>();
    t.all().forEach(l -> m.merge(by.apply(l), 1, Integer::sum));
    return m;
  }
}
