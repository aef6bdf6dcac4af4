package org.infinilm.svc.router;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Owns the [Roster]: one thread takes what the registry, probes and exchanges report, and
/// publishes a new [RoutingTable] when routing changes. Reading the table never waits.
final class FleetKeeper implements AutoCloseable, Plane.InstanceWatch {
  private static final Logger LOG = LoggerFactory.getLogger(FleetKeeper.class);

  /// What others tell the keeper.
  sealed interface Report {
    record Fixed(List<Known> entries) implements Report {}

    record Table(List<Known> entries, List<String> deleted) implements Report {}

    record Up(String name, double probeSeconds) implements Report {}

    record Down(String name, String why) implements Report {}

    record Models(String name, List<String> ids, List<Map<String, Object>> list)
        implements Report {}
  }

  /// One instance as `/services` shows it.
  record View(
      Instance instance,
      long errors,
      double probeSeconds,
      boolean suspect,
      Known known,
      @Nullable List<Map<String, Object>> modelsList) {}

  private final LinkedBlockingQueue<Report> reports = new LinkedBlockingQueue<>(100_000);
  private final Roster roster;
  private final Ledger ledger;
  private final Ticker ticker;
  private final Thread thread;
  private volatile RoutingTable table = RoutingTable.EMPTY;
  private volatile List<View> views = List.of();
  private long version;

  FleetKeeper(RouterConfig config, Ledger ledger, Ticker ticker) {
    this.roster = new Roster(config.maxErrors(), config.grace().toNanos());
    this.ledger = ledger;
    this.ticker = ticker;
    this.thread = Thread.ofPlatform().daemon().name("fleet").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  RoutingTable table() {
    return table;
  }

  List<View> views() {
    return views;
  }

  void tell(Report r) {
    if (!reports.offer(r)) {
      LOG.warn("fleet reports are piling up; one was dropped");
    }
  }

  @Override
  public void saw(Instance instance, Sight sight) {
    switch (sight) {
      case REFUSED, UNREACHABLE -> tell(new Report.Down(instance.name(), "connection failed"));
      case ANSWERED -> {
        for (View v : views) {
          if (v.suspect() && v.instance().name().equals(instance.name())) {
            tell(new Report.Up(instance.name(), v.probeSeconds()));
          }
        }
      }
      default -> {}
    }
  }

  @Override
  public int failuresInARow(Instance instance) {
    return 0;
  }

  private void run() {
    try {
      while (true) {
        follow(reports.take());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Takes over `first` and what else has come; a fault costs these reports, not the thread.
  private void follow(Report first) {
    try {
      boolean changed = apply(first);
      for (Report r = reports.poll(); r != null; r = reports.poll()) {
        changed |= apply(r);
      }
      roster.reclaim(ledger);
      publish(changed);
    } catch (RuntimeException e) {
      LOG.error("the fleet could not be brought up to date", e);
    }
  }

  private boolean apply(Report report) {
    return switch (report) {
      case Report.Fixed f -> {
        f.entries().forEach(k -> roster.fixed(k));
        yield true;
      }
      case Report.Table t -> roster.table(t.entries(), t.deleted(), ticker.nanos());
      case Report.Up u -> {
        boolean back = roster.up(u.name(), u.probeSeconds());
        if (back) {
          LOG.info("instance {} is healthy", u.name());
        }
        yield back;
      }
      case Report.Down d -> {
        boolean out = roster.down(d.name());
        if (out) {
          LOG.warn("instance {} is out of service: {}", d.name(), d.why());
        }
        yield out;
      }
      case Report.Models m -> roster.models(m.name(), m.ids(), m.list());
    };
  }

  private void publish(boolean changed) {
    List<View> now = new ArrayList<>();
    for (Roster.Entry e : roster.entries()) {
      now.add(
          new View(e.instance(), e.errors, e.probeSeconds, e.suspect(), e.known, e.modelsList()));
    }
    if (changed) {
      List<Instance> instances = now.stream().map(View::instance).toList();
      Map<Integer, Target> targets = new HashMap<>();
      int unread = 0;
      for (Roster.Entry e : roster.entries()) {
        unread += e.unread() ? 1 : 0;
      }
      for (View v : now) {
        Target t = target(v.instance(), v.known());
        if (t != null) {
          targets.put(v.instance().slot(), t);
        }
      }
      table = new RoutingTable(new Fleet(++version, instances), Map.copyOf(targets), unread);
    }
    views = List.copyOf(now);
  }

  /// The resolved target of an instance; the one of the last table when its name cannot be resolved
  /// now.
  private @Nullable Target target(Instance i, Known k) {
    BaseUrl url = BaseUrl.parse(k.url());
    if (url == null) {
      LOG.warn("instance {}: url {} (expected: http://host:port)", k.name(), k.url());
      return null;
    }
    try {
      InetAddress address = InetAddress.getByName(url.host());
      return new Target(i, Origin.of(url, address, k.tls()), k.authorization());
    } catch (UnknownHostException e) {
      LOG.warn("instance {}: unknown host {}", k.name(), url.host());
      return table.target(i);
    }
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
