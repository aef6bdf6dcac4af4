package org.infinilm.svc.registry;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The one owner of the table in this process; where its leases live beyond it is said by the
/// subclasses: in a journal ([JournalStore]) or in etcd ([EtcdStore]). Thread-safe: reads take no
/// lock, changes a short one without I/O under it.
abstract class LeaseStore {
  private final Ticker ticker;
  private final LeaseClock clock;
  private final Duration lease;
  private final String boot;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private volatile Table table = Table.EMPTY;
  private final Changes changes = new Changes(Table.EMPTY.version());
  private volatile @Nullable String trouble;
  private volatile boolean closed;

  /// A table and what it changed since an earlier one.
  ///
  /// @param names null when that is not known any more
  record Delta(Table table, @Nullable Set<String> names) {}

  /// @param lease how old a heartbeat may be to count
  /// @param boot tells this run from others in versions
  LeaseStore(Ticker ticker, Duration lease, String boot) {
    this.ticker = ticker;
    this.clock = new LeaseClock(ticker);
    this.lease = lease;
    this.boot = boot;
  }

  /// What a client says; returns once it will outlive this process, as far as the store can.
  ///
  /// @throws Refused with 503 when the store cannot be reached in time: nothing is confirmed, and
  ///   the client asks again
  abstract Table.Step apply(Event event) throws Refused, InterruptedException;

  /// What this process found by itself: the verdict of a probe, time that passed.
  void note(Event event) {
    decide(event, _ -> {});
  }

  /// The clean-up tick.
  ///
  /// @return the names that it removed
  abstract List<String> cleanUp();

  /// How changes are kept beyond this process: `off`, `on`, or `failing` while they are in memory
  /// alone although more is wanted.
  abstract String journal();

  /// Why the table may be old, or may not outlive this process although it is meant to, as it
  /// stands now; null where it is not so. In words for those that read the table.
  abstract @Nullable String ails();

  /// The same as it was at the last look.
  final @Nullable String trouble() {
    return trouble;
  }

  /// Looks what ails it, and lets waiting readers go where that is not what it was. Every
  /// [LeaseClock#BEAT]; readers do not look themselves.
  final void look() {
    lock.lock();
    try {
      String now = ails();
      if (!Objects.equals(now, trouble)) {
        trouble = now;
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /// A router that lives leaves notes for the others ([PeerBoard]).
  ///
  /// @throws Refused with 503 when the store cannot be reached in time
  abstract PeerBoard.Answer exchange(
      String run, Map<String, Map<String, Object>> notes, String since)
      throws Refused, InterruptedException;

  /// It ends.
  abstract void leave(String run) throws Refused, InterruptedException;

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

  /// The entry of this name, looked for where the store has it when this process does not know it.
  @Nullable Lease find(String name) throws InterruptedException {
    return table.leases().get(name);
  }

  Ticker ticker() {
    return ticker;
  }

  Duration lease() {
    return lease;
  }

  String boot() {
    return boot;
  }

  String version(Table t) {
    return boot + "-" + t.version();
  }

  /// Decides one event and takes its table over.
  ///
  /// @param taken gets the step before another event can come
  final Table.Step decide(Event event, Consumer<Table.Step> taken) {
    lock.lock();
    try {
      Table before = table;
      Table.Step step = before.apply(event, now());
      table = step.next();
      taken.accept(step);
      if (before.version() != step.next().version()) {
        changes.note(step.next().version(), names(event, before, step.next()));
        changed.signalAll();
      }
      return step;
    } finally {
      lock.unlock();
    }
  }

  /// Runs while no event can come.
  final void locked(Runnable body) {
    lock.lock();
    try {
      body.run();
    } finally {
      lock.unlock();
    }
  }

  /// The table as soon as its version is not `version`, else after `wait`, or once the trouble is
  /// not the one that the reader was told.
  Table await(String version, @Nullable String told, Duration wait) throws InterruptedException {
    long left = wait.toNanos();
    lock.lockInterruptibly();
    try {
      while (left > 0
          && !closed
          && version.equals(version(table))
          && Objects.equals(trouble, told)) {
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
      case Event.Learned e -> List.of(e.entry().name());
      case Event.Lost e -> List.of(e.name());
      case Event.Buried e -> List.of(e.name());
      case Event.Forgotten e -> List.of(e.name());
      case Event.Heard e -> e.names().stream().filter(n -> isStale(before, n)).toList();
      case Event.Together e -> {
        Set<String> names = new HashSet<>();
        e.events().forEach(each -> names.addAll(names(each, before, after)));
        yield names;
      }
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

  private static boolean isStale(Table t, String name) {
    Lease l = t.leases().get(name);
    return l != null && !l.fresh();
  }

  boolean isClosed() {
    return closed;
  }

  /// Writes out what is not written yet and lets the store go; behind the last event.
  abstract void finish() throws IOException;

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
}
