package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The one owner of the table. Thread-safe: reads take no lock, changes a short one without I/O
/// under it; the journal gets the records in the order of the changes.
final class LeaseStore {
  private static final Duration DISK_PATIENCE = Duration.ofSeconds(2);

  private final Ticker ticker;
  private final String boot;
  private final @Nullable Journal journal;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private volatile Table table = Table.EMPTY;
  private boolean closed;

  /// @param boot tells this run from others in versions
  LeaseStore(Ticker ticker, String boot, @Nullable Journal journal) {
    this.ticker = ticker;
    this.boot = boot;
    this.journal = journal;
    if (journal != null) {
      apply(journal.restored());
    }
  }

  Table table() {
    return table;
  }

  Now now() {
    return Now.of(ticker);
  }

  String version(Table t) {
    return boot + "-" + t.version();
  }

  /// Applies one event; returns once its durable records are on disk, or after 2 s without.
  Table.Step apply(Event event) {
    Table.Step step;
    CompletableFuture<Boolean> written = null;
    lock.lock();
    try {
      Table before = table;
      step = before.apply(event, now());
      table = step.next();
      if (journal != null && !step.records().isEmpty()) {
        written = journal.append(step.records());
        if (journal.wantsSnapshot() && !journal.isBroken()) {
          journal.snapshot(step.next().records());
        }
      }
      if (before.version() != step.next().version()) {
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
    if (written != null && step.records().stream().anyMatch(JournalRecord::durable)) {
      await(written);
    }
    return step;
  }

  /// The clean-up tick; also revives a journal that stopped after an error.
  List<String> cleanUp() {
    Table.Step step = apply(new Event.CleanUp());
    if (journal != null && journal.isBroken()) {
      lock.lock();
      try {
        journal.snapshot(table.records());
      } finally {
        lock.unlock();
      }
    }
    return step.removed();
  }

  /// The table as soon as its version is not `version`, else after `wait`.
  Table await(String version, Duration wait) throws InterruptedException {
    long left = wait.toNanos();
    lock.lockInterruptibly();
    try {
      while (left > 0 && !closed && version.equals(version(table))) {
        left = changed.awaitNanos(left);
      }
      return table;
    } finally {
      lock.unlock();
    }
  }

  /// Lets every waiting reader go.
  void close() {
    lock.lock();
    try {
      closed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private static void await(CompletableFuture<Boolean> written) {
    try {
      written.get(DISK_PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException | ExecutionException slow) {
      // The entry counts although it is not on disk: whoever registered heartbeats anyway.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
