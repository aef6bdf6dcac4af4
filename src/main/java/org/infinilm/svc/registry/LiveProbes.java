package org.infinilm.svc.registry;

import java.net.URI;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.jspecify.annotations.Nullable;

/// Probes that clients ask for and wait for. Who asks while one of the same address is under way
/// shares it; both the probes and those who wait are bounded. Thread-safe.
final class LiveProbes {
  private static final int AT_ONCE = 32;

  private final Prober.Ask ask;
  private final int mostWaiting;
  private final Semaphore waiting;
  private final Semaphore places = new Semaphore(AT_ONCE);
  private final Map<URI, CompletableFuture<Answer>> underWay = new ConcurrentHashMap<>();

  /// @param mostWaiting clients that may wait at once: each of them holds a connection
  LiveProbes(Prober.Ask ask, int mostWaiting) {
    this.ask = ask;
    this.mostWaiting = mostWaiting;
    this.waiting = new Semaphore(mostWaiting);
  }

  /// Probes one entry now; neither its lease nor its entry changes.
  ///
  /// @return the entry as the probe found it
  /// @throws Refused 503 when too many wait, or too many probes are under way
  Lease of(Lease lease) throws Refused, InterruptedException {
    URI uri = lease.healthUri();
    return switch (uri == null ? Answer.NO : answer(uri)) {
      case OK -> lease.with(Lease.Probe.HEALTHY);
      case NO, SILENT -> lease.with(Lease.Probe.UNHEALTHY);
      case UNASKED -> lease;
    };
  }

  private Answer answer(URI uri) throws Refused, InterruptedException {
    if (!waiting.tryAcquire()) {
      throw new Refused(503, mostWaiting + " requests wait for probes (expected: fewer than that)");
    }
    try {
      CompletableFuture<Answer> probe = underWay.computeIfAbsent(uri, this::begun);
      if (probe == null) {
        throw new Refused(503, AT_ONCE + " probes are under way (expected: fewer than that)");
      }
      return probe.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the probe of " + uri + " failed", e.getCause());
    } finally {
      waiting.release();
    }
  }

  /// A probe on a thread of its own, since who asked first may leave; null when there are too many.
  private @Nullable CompletableFuture<Answer> begun(URI uri) {
    if (!places.tryAcquire()) {
      return null;
    }
    CompletableFuture<Answer> probe = new CompletableFuture<>();
    Thread.ofVirtual().name("live probe").start(() -> run(uri, probe));
    return probe;
  }

  private void run(URI uri, CompletableFuture<Answer> probe) {
    Answer answer = Answer.UNASKED;
    try {
      answer = ask.ask(uri);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      probe.completeExceptionally(e);
    } finally {
      underWay.remove(uri, probe);
      places.release();
      probe.complete(answer);
    }
  }
}
