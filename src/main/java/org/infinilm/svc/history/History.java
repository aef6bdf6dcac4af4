package org.infinilm.svc.history;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.history.Store.Kept;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes what has ended to the file, on a thread of its own. Whatever is wrong with the file is
/// said and tried again; nobody waits for it. Thread-safe.
///
/// @param <D> what is offered
/*
 * All that happens to the file happens in `step`, so that tests make steps without the thread. What the file does
 * not take stays in the tally, which is bounded, and comes with the next step that works.
 */
public final class History<D> implements AutoCloseable {
  /// Turns what was offered into what is kept; called on the thread of history.
  public interface Words<D> {
    Entry entry(D of);

    /// The whole of it in JSON.
    byte[] whole(D of);
  }

  /// What became of what was offered, since the start.
  ///
  /// @param counted requests in the figures
  /// @param dropped requests that found the queue full, and are in no figure
  /// @param kept decisions in the file, one by one
  /// @param passedOver decisions above the rate ([Sample]), which figures count alone
  /// @param lost decisions that the file did not take
  public record Counts(long counted, long dropped, long kept, long passedOver, long lost) {}

  static final int QUEUE = 16384;

  /// Decisions that wait for the file.
  static final int MOST_KEPT = 4096;

  private static final long PAUSE_NANOS = Duration.ofMillis(50).toNanos();
  private static final long FLUSH_NANOS = Duration.ofSeconds(1).toNanos();
  private static final long TRIM_NANOS = Duration.ofSeconds(10).toNanos();
  private static final long AGAIN_NANOS = Duration.ofSeconds(10).toNanos();
  private static final Duration END = Duration.ofSeconds(5);
  private static final Logger LOG = LoggerFactory.getLogger(History.class);
  private static final DateTimeFormatter ASIDE =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final HistorySettings settings;
  private final Words<D> words;
  private final Ticker ticker;
  private final BlockingQueue<D> queue;
  private final Thread thread;
  private final AtomicLong dropped = new AtomicLong();
  private final AtomicLong counted = new AtomicLong();
  private final AtomicLong kept = new AtomicLong();
  private final AtomicLong passedOver = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private volatile boolean stop;
  private volatile String trouble = "not open yet";
  private volatile long bytes;

  private final List<D> taken = new ArrayList<>();
  private final Tally tally = new Tally();
  private final Packed packed = new Packed();
  private final Sample sample;
  private final List<Kept> rows = new ArrayList<>();
  private @Nullable Store store;
  private String told = "";
  private long aliveMillis;
  private long flushedNanos;
  private long trimmedNanos;
  private long triedNanos;

  public History(HistorySettings settings, Words<D> words, Ticker ticker) {
    this(settings, words, ticker, QUEUE);
  }

  History(HistorySettings settings, Words<D> words, Ticker ticker, int room) {
    this.settings = settings;
    this.words = words;
    this.sample = new Sample(settings.rate());
    this.ticker = ticker;
    this.queue = new ArrayBlockingQueue<>(room);
    this.aliveMillis = ticker.now().toEpochMilli();
    this.flushedNanos = ticker.nanos() - FLUSH_NANOS;
    this.trimmedNanos = ticker.nanos() - TRIM_NANOS;
    this.triedNanos = ticker.nanos() - AGAIN_NANOS;
    this.thread = Thread.ofPlatform().daemon().name("history").unstarted(this::run);
  }

  public void start() {
    thread.start();
  }

  /// Takes what has ended, if there is room; never blocks.
  public void offer(D of) {
    if (!queue.offer(of)) {
      dropped.incrementAndGet();
    }
  }

  public HistorySettings settings() {
    return settings;
  }

  /// What is wrong with the file; empty when it is written.
  public String trouble() {
    return trouble;
  }

  /// Bytes in use in the file.
  public long bytes() {
    return bytes;
  }

  public Counts counts() {
    return new Counts(counted.get(), dropped.get(), kept.get(), passedOver.get(), lost.get());
  }

  /// What is in the file; what ended within the last second may not be.
  public HistoryReader reader() {
    return new HistoryReader(settings.file());
  }

  private void run() {
    while (!stop) {
      guarded(false);
      LockSupport.parkNanos(this, PAUSE_NANOS);
    }
    guarded(true);
    closeStore();
    packed.close();
  }

  /// A fault costs a step, not the thread.
  private void guarded(boolean last) {
    try {
      step(last);
    } catch (RuntimeException | Error e) {
      fail("fault: " + e);
    }
  }

  /// Counts what is there, and brings it into the file when it is time.
  ///
  /// @param last whether there is no other time
  void step(boolean last) {
    take();
    long now = ticker.nanos();
    if (last || now - flushedNanos >= FLUSH_NANOS) {
      flushedNanos = now;
      flush(now, last);
    }
  }

  private void take() {
    queue.drainTo(taken);
    for (D d : taken) {
      Entry e = words.entry(d);
      tally.add(e);
      if (!sample.keeps(e)) {
        passedOver.incrementAndGet();
      } else if (rows.size() >= MOST_KEPT) {
        lost.incrementAndGet();
      } else {
        rows.add(new Kept(e, packed.pack(words.whole(d))));
      }
    }
    counted.addAndGet(taken.size());
    taken.clear();
  }

  private void flush(long now, boolean last) {
    long millis = ticker.now().toEpochMilli();
    tally.alive(aliveMillis, millis);
    aliveMillis = millis;
    Store s = store;
    if (s != null && !s.isThere()) {
      closeStore();
      s = null;
    }
    if (s == null) {
      if (!last && now - triedNanos < AGAIN_NANOS) {
        return;
      }
      triedNanos = now;
      s = opened(millis);
    }
    if (s != null) {
      write(s, now, millis);
    }
  }

  private void write(Store s, long now, long millis) {
    try {
      s.write(tally, rows);
      kept.addAndGet(rows.size());
      rows.clear();
      tally.clear();
      if (now - trimmedNanos >= TRIM_NANOS) {
        trimmedNanos = now;
        s.trim(settings, millis);
      }
      bytes = s.usedBytes();
      trouble = "";
      told = "";
    } catch (SQLException e) {
      closeStore();
      triedNanos = now;
      fail("cannot be written: " + e.getMessage());
      if (Store.isCorrupt(e)) {
        setAside(millis);
        triedNanos = now - AGAIN_NANOS;
      }
    }
  }

  /// Opens the file; one that can no longer be read is set aside first.
  private @Nullable Store opened(long millis) {
    try {
      store = Store.open(settings.file());
    } catch (SQLException e) {
      fail("cannot be opened: " + e.getMessage());
      if (Store.isCorrupt(e) && setAside(millis)) {
        openAnew();
      }
    } catch (IOException | Refused | UnsatisfiedLinkError e) {
      fail(said(e));
    }
    if (store != null) {
      LOG.info("history: {}", settings.file());
    }
    return store;
  }

  private void openAnew() {
    try {
      store = Store.open(settings.file());
    } catch (IOException | SQLException | Refused e) {
      fail(said(e));
    }
  }

  private static String said(Throwable e) {
    return e instanceof java.nio.file.FileSystemException f
        ? (f.getReason() == null ? f.getClass().getSimpleName() : f.getReason())
            + " at "
            + f.getFile()
        : String.valueOf(e.getMessage());
  }

  /// Says what is wrong when it is something new.
  private void fail(String why) {
    trouble = why;
    if (!why.equals(told)) {
      told = why;
      LOG.warn("history: {}: {} (routing goes on)", settings.file(), why);
    }
  }

  /// Renames the file and what belongs to it, so that a new one can begin.
  private boolean setAside(long millis) {
    Path file = settings.file();
    try {
      Path aside =
          OwnFiles.setAside(file, ".corrupt-" + ASIDE.format(Instant.ofEpochMilli(millis)));
      for (String part : List.of("-wal", "-shm")) {
        Path from = file.resolveSibling(file.getFileName() + part);
        if (Files.exists(from)) {
          Files.move(from, aside.resolveSibling(aside.getFileName() + part));
        }
      }
      LOG.warn("history: {} can no longer be read; set aside as {}", file, aside);
      return true;
    } catch (IOException e) {
      fail("can no longer be read, and cannot be set aside: " + said(e));
      return false;
    }
  }

  private void closeStore() {
    Store s = store;
    store = null;
    if (s != null) {
      try {
        s.close();
      } catch (IOException | SQLException e) {
        fail("cannot be closed: " + e.getMessage());
      }
    }
  }

  /// Writes what is left, within five seconds.
  @Override
  public void close() {
    stop = true;
    LockSupport.unpark(thread);
    try {
      thread.join(END);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// For tests that make the steps themselves.
  void finish() {
    guarded(true);
    closeStore();
  }
}
