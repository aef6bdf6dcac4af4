package org.infinilm.svc.registry;

import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;

/// Asks services for their health: in parallel, at most 32 at once in a sweep and 32 for callers of
/// the live probe. Nothing is locked while it waits.
final class Prober {
  /// One health request; false for anything but a 2xx in time. Follows no redirect.
  @FunctionalInterface
  interface Ask {
    boolean isHealthy(URI healthUri) throws InterruptedException;
  }

  private static final int AT_ONCE = 32;

  private final Ask ask;
  private final LeaseStore store;
  private final Semaphore sweepPlaces = new Semaphore(AT_ONCE);
  private final Semaphore livePlaces = new Semaphore(AT_ONCE);

  Prober(Ask ask, LeaseStore store) {
    this.ask = ask;
    this.store = store;
  }

  /// Probes every address once and records the results as they come; returns when all are in.
  void sweep(Collection<Lease> leases) throws InterruptedException {
    Map<URI, List<Lease>> byAddress = new LinkedHashMap<>();
    for (Lease l : leases) {
      URI uri = l.entry().healthUri();
      if (uri == null) {
        store.apply(new Event.Probed(l.name(), l.serial(), false));
      } else {
        byAddress.computeIfAbsent(uri, _ -> new ArrayList<>()).add(l);
      }
    }
    List<Thread> threads = new ArrayList<>();
    try {
      for (Map.Entry<URI, List<Lease>> e : byAddress.entrySet()) {
        sweepPlaces.acquire();
        threads.add(
            Thread.ofVirtual()
                .name("probe")
                .start(() -> {
                  try {
                    boolean healthy = ask.isHealthy(e.getKey());
                    e.getValue()
                        .forEach(l -> store.apply(new Event.Probed(l.name(), l.serial(), healthy)));
                  } catch (InterruptedException stopping) {
                    Thread.currentThread().interrupt();
                  } finally {
                    sweepPlaces.release();
                  }
                }));
      }
      for (Thread t : threads) {
        t.join();
      }
    } catch (InterruptedException stopping) {
      threads.forEach(Thread::interrupt);
      throw stopping;
    }
  }

  /// Probes one entry now and records the result; its lease is not renewed.
  ///
  /// @return the entry as the probe found it
  Lease live(Lease lease) throws InterruptedException {
    URI uri = lease.entry().healthUri();
    boolean healthy = false;
    if (uri != null) {
      livePlaces.acquire();
      try {
        healthy = ask.isHealthy(uri);
      } finally {
        livePlaces.release();
      }
    }
    Lease after = store.apply(new Event.Probed(lease.name(), lease.serial(), healthy)).lease();
    return after != null
        ? after
        : lease.with(healthy ? Lease.Probe.HEALTHY : Lease.Probe.UNHEALTHY);
  }
}
