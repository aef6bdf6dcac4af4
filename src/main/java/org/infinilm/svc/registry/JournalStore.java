package org.infinilm.svc.registry;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Leases of this process, written to a [Journal] or kept in memory alone. The journal gets the
/// records in the order of the changes.
final class JournalStore extends LeaseStore {
  private static final Duration DISK_PATIENCE = Duration.ofSeconds(2);

  private final @Nullable Journal journal;

  /// Not in the journal: they are of seconds.
  private final Notes notes;

  JournalStore(Ticker ticker, String boot, @Nullable Journal journal) {
    this(ticker, Lease.FRESH, boot, journal);
  }

  /// @param journal whose folder this store lets go at its end; null keeps everything in memory
  JournalStore(Ticker ticker, Duration lease, String boot, @Nullable Journal journal) {
    super(ticker, lease, boot);
    this.journal = journal;
    this.notes = new Notes(boot);
    if (journal != null) {
      apply(journal.restored());
    }
  }

  /// By the machine's clocks alone: the next process reads them.
  private List<JournalRecord> clockRecord(Journal to) {
    return to.clock(Now.of(ticker(), lease()));
  }

  /// Returns once the durable records of the event are on disk, or after 2 s without.
  @Override
  Table.Step apply(Event event) {
    Journal to = journal;
    if (to == null) {
      return decide(event, _ -> {});
    }
    AtomicReference<@Nullable CompletableFuture<Boolean>> written = new AtomicReference<>();
    Table.Step step = decide(event, s -> written.set(write(to, s)));
    CompletableFuture<Boolean> w = written.get();
    if (w != null && step.records().stream().anyMatch(JournalRecord::durable)) {
      await(w);
    }
    return step;
  }

  private @Nullable CompletableFuture<Boolean> write(Journal to, Table.Step step) {
    if (step.records().isEmpty()) {
      return null;
    }
    CompletableFuture<Boolean> written = to.append(step.records());
    if (to.wantsSnapshot() && !to.isBroken()) {
      to.snapshot(records(step.next(), to));
    }
    return written;
  }

  /// Also revives a journal that stopped after an error.
  @Override
  List<String> cleanUp() {
    Table.Step step = apply(new Event.CleanUp());
    Journal to = journal;
    if (to != null) {
      locked(() -> {
        if (to.isBroken()) {
          to.snapshot(records(table(), to));
        } else {
          to.append(clockRecord(to));
        }
      });
    }
    return step.removed();
  }

  @Override
  PeerBoard.Answer exchange(String run, Map<String, Map<String, Object>> left, String since)
      throws Refused {
    long now = now().nanos();
    notes.forget(now - PeerBoard.LEASE.toNanos());
    notes.heard(run, now);
    for (Map.Entry<String, Map<String, Object>> e : left.entrySet()) {
      notes.put(run, e.getKey(), e.getValue());
    }
    return notes.since(since);
  }

  @Override
  void leave(String run) {
    notes.remove(run);
  }

  @Override
  String journal() {
    return journal == null ? "off" : journal.isBroken() ? "failing" : "on";
  }

  @Override
  @Nullable String ails() {
    return journal == null || !journal.isBroken()
        ? null
        : "the registry's journal cannot be written; what changes meanwhile is in its memory alone";
  }

  @Override
  void finish() throws IOException {
    if (journal != null) {
      journal.close();
    }
  }

  private List<JournalRecord> records(Table t, Journal to) {
    List<JournalRecord> out = new ArrayList<>(clockRecord(to));
    out.addAll(t.records());
    return out;
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
