package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
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
  private final LeaseClock clock;
  private final Duration lease;
  private final String boot;
  private final @Nullable Journal journal;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private volatile Table table = Table.EMPTY;
  private final Changes changes = new Changes(Table.EMPTY.version());
  private volatile boolean closed;

  /// A table and what it changed since an earlier one.
  ///
  /// @param names null when that is not known any more
  record Delta(Table table, @Nullable Set<String> names) {}

  LeaseStore(Ticker ticker, String boot, @Nullable Journal journal) {
    this(ticker, Lease.FRESH, boot, journal);
  }

  /// @param lease how old a heartbeat may be to count
  /// @param boot tells this run from others in versions
  LeaseStore(Ticker ticker, Duration lease, String boot, @Nullable Journal journal) {
    this.ticker = ticker;
    this.clock = new LeaseClock(ticker);
    this.lease = lease;
    this.boot = boot;
    this.journal = journal;
    if (journal != null) {
      apply(journal.restored());
    }
  }

  Table table() {
    return table;
  }

  /// By the clock of the leases.
  Now now() {
    return new Now(ticker.now(), clock.nanos(), lease.toNanos());
  }

  LeaseClock clock() {
    return clock;
  }

  /// By the machine's clocks alone: the next process reads them.
  private List<JournalRecord> clockRecord(Journal to) {
    return to.clock(Now.of(ticker, lease));
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
          journal.snapshot(records(step.next(), journal));
        }
      }
      if (before.version() != step.next().version()) {
        changes.note(step.next().version(), names(event, before, step.next()));
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
    if (journal != null && !journal.isBroken()) {
      lock.lock();
      try {
        journal.append(clockRecord(journal));
      } finally {
        lock.unlock();
      }
    }
    if (journal != null && journal.isBroken()) {
      lock.lock();
      try {
        journal.snapshot(records(table, journal));
      } finally {
        lock.unlock();
      }
    }
    return step.removed();
  }

  /// How changes are kept beyond this process: `off`, `on`, or `failing` while they are in memory
  /// alone although a journal is wanted.
  String journal() {
    return journal == null ? "off" : journal.isBroken() ? "failing" : "on";
  }

  private List<JournalRecord> records(Table t, Journal to) {
    List<JournalRecord> out = new ArrayList<>(clockRecord(to));
    out.addAll(t.records());
    return out;
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

  /// What changed since `version` of this run.
  Delta since(String version) {
    lock.lock();
    try {
      Table t = table;
      if (!version.startsWith(boot + "-")) {
        return new Delta(t, null);
      }
      long v = Long.parseLong(version.substring(boot.length() + 1));
      return new Delta(t, v > t.version() ? null : changes.since(v));
    } catch (NumberFormatException noVersion) {
      return new Delta(table, null);
    } finally {
      lock.unlock();
    }
  }

  private static Collection<String> names(Event event, Table before, Table after) {
    return switch (event) {
      case Event.Register e -> List.of(e.entry().name());
      case Event.Update e -> List.of(e.name());
      case Event.Heartbeat e -> List.of(e.name());
      case Event.Delete e -> List.of(e.name());
      case Event.Probed e -> List.of(e.name());
      case Event.Aged _, Event.CleanUp _, Event.Restore _ -> {
        Set<String> names = new HashSet<>();
        for (Lease l : before.all()) {
          Lease now = after.leases().get(l.name());
          if (now == null || now.fresh() != l.fresh()) {
            names.add(l.name());
          }
        }
        after.leases().keySet().stream()
            .filter(n -> !before.leases().containsKey(n))
            .forEach(names::add);
        yield names;
      }
    };
  }

  boolean isClosed() {
    return closed;
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
