package org.infinilm.svc.registry;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The table as it stands in etcd, with the verdicts that a registry over it would give: the same
/// store, which no instance speaks to and which probes nobody. Opened by the first call that finds
/// etcd; thread-safe.
final class EtcdFollower implements TableSource {
  private static final Logger log = LoggerFactory.getLogger(EtcdFollower.class);
  private static final Duration LONGEST_NAP = Duration.ofSeconds(1);

  private final Client http;
  private final Etcd etcd;
  private final String run;
  private final Ticker ticker;
  private final RandomGenerator random;
  private final List<Thread> loops = new ArrayList<>();
  private volatile @Nullable EtcdStore store;

  /// The trouble in the last answer.
  private volatile @Nullable String told;

  private boolean closed;

  /// What was told last, by name; never changed once it is here.
  private volatile Map<String, Shown> shown = Map.of();

  /// A lease and what was told of it.
  private record Shown(Lease lease, Service service) {
    @SuppressWarnings("ReferenceEquality") // a lease of which anything changed is another object
    boolean holds(Lease l, Now now) {
      return lease == l && service.isHealthy() == l.isHealthy(now);
    }
  }

  /// @param http is closed with this
  /// @param run the name of this router among its siblings
  EtcdFollower(Client http, EtcdHome home, String run, Ticker ticker, RandomGenerator random) {
    this.http = http;
    this.etcd = new Etcd(http, home.address(), home.login(), ticker);
    this.run = run;
    this.ticker = ticker;
    this.random = random;
  }

  @Override
  public Watch watch(@Nullable String version, Duration wait)
      throws IOException, InterruptedException {
    EtcdStore s = open();
    Table t = version == null ? s.table() : s.await(version, told, wait);
    String trouble = s.trouble();
    told = trouble;
    return new Watch(
        s.version(t), services(t, s.now()), List.copyOf(t.deleted().keySet()), trouble);
  }

  /// What did not change since the last time is the same object.
  private List<Service> services(Table t, Now now) {
    Map<String, Shown> before = shown;
    Map<String, Shown> after = HashMap.newHashMap(t.leases().size());
    List<Service> out = new ArrayList<>(t.leases().size());
    for (Lease l : t.all()) {
      Shown last = before.get(l.name());
      Shown s = last != null && last.holds(l, now) ? last : new Shown(l, service(l, now));
      after.put(l.name(), s);
      out.add(s.service());
    }
    shown = after;
    return out;
  }

  private synchronized EtcdStore open() throws IOException, InterruptedException {
    EtcdStore s = store;
    if (s == null) {
      if (closed) {
        throw new IOException("etcd: closed");
      }
      s = EtcdStore.follow(etcd, ticker, run, random);
      EtcdStore opened = s;
      opened.look();
      loops.add(Thread.ofVirtual().name("etcd-clock").start(() -> age(opened)));
      store = s;
      log.info("reading the table of {} from etcd", etcd.address());
    }
    return s;
  }

  /// Leases run here as they do in a registry.
  private static void age(EtcdStore s) {
    try {
      while (!s.isClosed()) {
        try {
          s.clock().beat();
          s.look();
          Duration left = s.table().untilStale(s.now());
          if (left != null && !left.isPositive()) {
            s.note(new Event.Aged());
          }
        } catch (RuntimeException | Error e) {
          log.error("ageing: failed; going on", e);
          Thread.sleep(LONGEST_NAP);
        }
        Thread.sleep(LeaseClock.BEAT);
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private static Service service(Lease l, Now now) {
    Entry e = l.entry();
    return new Service(
        e.name(),
        e.host(),
        e.port(),
        e.hostname(),
        e.url(),
        e.status(),
        e.metadata(),
        e.weight() == null ? 1 : Math.max(0, e.weight()),
        l.probe().word(),
        l.isHealthy(now),
        l.heartbeatAt().getEpochSecond(),
        Answers.time(l.registeredAt()));
  }

  @Override
  public Answer exchange(String as, Map<String, Map<String, Object>> notes, String since)
      throws IOException, InterruptedException {
    EtcdStore s = store;
    if (s == null) {
      throw new IOException("etcd: not read yet");
    }
    try {
      return s.exchange(as, notes, since);
    } catch (Refused e) {
      throw new IOException("etcd: " + e.getMessage(), e);
    }
  }

  @Override
  public boolean isNear() {
    return true;
  }

  @Override
  public void leave(String as) throws IOException, InterruptedException {
    EtcdStore s = store;
    if (s != null) {
      try {
        s.leave(as);
      } catch (Refused e) {
        throw new IOException("etcd: " + e.getMessage(), e);
      }
    }
  }

  @Override
  public void close() {
    EtcdStore s;
    synchronized (this) {
      closed = true;
      s = store;
    }
    loops.forEach(Thread::interrupt);
    if (s != null) {
      s.close();
      s.finish();
    }
    etcd.close();
    http.close();
  }
}
