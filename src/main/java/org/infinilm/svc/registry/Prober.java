package org.infinilm.svc.registry;

import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.infinilm.svc.registry.ProbeSchedule.Slot;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Asks services for their health, each address on its own schedule ([ProbeSchedule]). Nothing is
/// locked while it waits. For one thread.
final class Prober {
  /// One health request. Follows no redirect.
  @FunctionalInterface
  interface Ask {
    Answer ask(URI healthUri) throws InterruptedException;
  }

  private static final Logger log = LoggerFactory.getLogger(Prober.class);

  /// A look at a large table takes its time; it takes no more of a core than one part in so many.
  private static final int LOOK_SHARE = 50;

  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private final Ask ask;
  private final LeaseStore store;
  private final ProbeSchedule schedule;
  private final Ticker ticker;
  private final Semaphore wake = new Semaphore(0);
  private final Set<Thread> probes = ConcurrentHashMap.newKeySet();
  private long seenVersion = -1;
  private long nextLookNanos;
  private boolean begun;

  Prober(Ask ask, LeaseStore store, ProbeSchedule schedule, Ticker ticker) {
    this.ask = ask;
    this.store = store;
    this.schedule = schedule;
    this.ticker = ticker;
  }

  /// Probes until interrupted; ends its probes then.
  void run() throws InterruptedException {
    try {
      while (true) {
        look();
        List<Slot> due;
        long nap;
        synchronized (schedule) {
          due = schedule.due(ticker.nanos());
          nap = schedule.untilDueNanos(ticker.nanos(), LOOK_NANOS);
        }
        due.forEach(this::start);
        if (wake.tryAcquire(nap, TimeUnit.NANOSECONDS)) {
          wake.drainPermits();
        }
      }
    } catch (InterruptedException stopping) {
      probes.forEach(Thread::interrupt);
      throw stopping;
    }
  }

  /// Takes over the table when it has changed; those that were there at the start are asked at
  /// once.
  private void look() {
    Table t = store.table();
    long started = ticker.nanos();
    if (t.version() == seenVersion || (begun && started - nextLookNanos < 0)) {
      return;
    }
    seenVersion = t.version();
    Map<URI, List<Lease>> byAddress = new HashMap<>();
    for (Lease l : t.all()) {
      URI uri = l.healthUri();
      if (uri != null) {
        byAddress.computeIfAbsent(uri, _ -> new ArrayList<>()).add(l);
      } else if (l.probe() != Lease.Probe.UNHEALTHY) {
        store.note(new Event.Probed(l.name(), l.serial(), false));
      }
    }
    synchronized (schedule) {
      schedule.set(byAddress, !begun, ticker.nanos());
    }
    begun = true;
    long ended = ticker.nanos();
    nextLookNanos = ended + Math.max(LOOK_NANOS, LOOK_SHARE * (ended - started));
  }

  private void start(Slot slot) {
    List<Lease> leases = slot.leases();
    Thread probe =
        Thread.ofVirtual()
            .name("probe")
            .unstarted(() -> {
              Answer answer = Answer.NO;
              try {
                answer = ask.ask(slot.uri());
              } catch (InterruptedException stopping) {
                Thread.currentThread().interrupt();
              } catch (RuntimeException e) {
                log.warn("probe of {} failed", slot.uri(), e);
              } finally {
                done(slot, leases, answer);
              }
            });
    probes.add(probe);
    probe.start();
  }

  private void done(Slot slot, List<Lease> leases, Answer answer) {
    probes.remove(Thread.currentThread());
    boolean verdict;
    synchronized (schedule) {
      verdict = schedule.answered(slot, answer, ticker.nanos());
    }
    if (verdict && !Thread.currentThread().isInterrupted()) {
      leases.forEach(l -> store.note(new Event.Probed(l.name(), l.serial(), answer == Answer.OK)));
    }
    wake.release();
  }
}
