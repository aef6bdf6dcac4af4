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
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.history.Store.Kept;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sums what has ended where it ends, each thread for itself, and writes it to the file on a thread
/// of its own. Whatever is wrong with the file is said and tried again; nobody waits for it.
/// Thread-safe.
///
/// @param <D> what is offered
/*
 * All that happens to the file happens in `step`, so that tests make steps without the thread. What the file does
 * not take stays in the tally, which is bounded, and comes with the next step that works.
 */
public final class History<D> implements AutoCloseable {
  /// Turns what was offered into what is kept.
  public interface Words<D> {
    /// What figures ask of it; called where it is offered, for each.
    Ended ended(D of);

    /// Called where it is offered, for those alone that are kept one by one.
    Entry entry(D of);

    /// The whole of it in JSON; called on the thread of history.
    byte[] whole(D of);
  }

  /// What became of what was offered, since the start.
  ///
  /// @param counted requests in the figures
  /// @param kept decisions in the file, one by one
  /// @param passedOver decisions above the rate ([Sample]), which figures count alone
  /// @param lost decisions that the file did not take
  public record Counts(long counted, long kept, long passedOver, long lost) {}

  /// Decisions that wait for the file.
  static final int MOST_KEPT = 4096;

  private static final long PAUSE_NANOS = Duration.ofMillis(200).toNanos();
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
  private final List<Gathered<D>> all = new CopyOnWriteArrayList<>();
  private final ThreadLocal<Gathered<D>> mine = ThreadLocal.withInitial(this::gathered);
  private final Thread thread;
  private final AtomicLong counted = new AtomicLong();
  private final AtomicLong kept = new AtomicLong();
  private final AtomicLong passedOver = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private volatile boolean stop;
  private volatile String trouble = "not open yet";
  private volatile long bytes;

  private final Tally tally = new Tally();
  private final Packed packed = new Packed();
  private final Sample sample;
  private final List<Kept> rows = new ArrayList<>();
  private @Nullable Store store;
  private String told = "";

  /// Whether the last word in the log is that it is written.
  private boolean works;

  private long aliveMillis;
  private long flushedNanos;
  private long trimmedNanos;
  private long triedNanos;

  public History(HistorySettings settings, Words<D> words, Ticker ticker) {
    this.settings = settings;
    this.words = words;
    this.sample = new Sample(settings.rate());
    this.ticker = ticker;
    this.aliveMillis = ticker.now().toEpochMilli();
    this.flushedNanos = ticker.nanos() - FLUSH_NANOS;
    this.trimmedNanos = ticker.nanos() - TRIM_NANOS;
    this.triedNanos = ticker.nanos() - AGAIN_NANOS;
    this.thread = Thread.ofPlatform().daemon().name("history").unstarted(this::run);
  }

  public void start() {
    thread.start();
  }

  private Gathered<D> gathered() {
    Gathered<D> g = new Gathered<>(words, new Sample(settings.rate()), MOST_KEPT);
    all.add(g);
    return g;
  }

  /// Takes what has ended: it is summed here and now, and written later. Never waits for the file.
  public void offer(D of) {
    mine.get().add(of);
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
    return new Counts(counted.get(), kept.get(), passedOver.get(), lost.get());
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

  /// Brings what is there into the file when it is time.
  ///
  /// @param last whether there is no other time
  void step(boolean last) {
    long now = ticker.nanos();
    if (last || now - flushedNanos >= FLUSH_NANOS) {
      flushedNanos = now;
      all.forEach(this::take);
      flush(now, last);
    }
  }

  /// Each thread's part was sampled for itself; here it is once more for all of them.
  private void take(Gathered<D> from) {
    Gathered.Taken<D> t = from.take();
    if (t == null) {
      return;
    }
    tally.add(t.tally());
    counted.addAndGet(t.counted());
    passedOver.addAndGet(t.passedOver());
    lost.addAndGet(t.lost());
    for (Gathered.Row<D> r : t.rows()) {
      if (!sample.keeps(r.entry())) {
        passedOver.incrementAndGet();
      } else if (rows.size() >= MOST_KEPT) {
        lost.incrementAndGet();
      } else {
        rows.add(new Kept(r.entry(), packed.pack(words.whole(r.of()))));
      }
    }
  }

  private void flush(long now, boolean last) {
    long millis = ticker.now().toEpochMilli();
    tally.alive(aliveMillis, millis);
    aliveMillis = millis;
    Store s = store;
    if (s != null && !s.isThere()) {
      s.bringLogIn();
      closeStore();
      setLogAside(millis);
      fail("the file that was open was removed or replaced, and what was in it with it");
      triedNanos = now - AGAIN_NANOS;
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
      if (!works) {
        works = true;
        LOG.info("history: {}", settings.file());
      }
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
    works = false;
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

  /// What is left of the log of a file that is elsewhere is not to be taken for that of the file in
  /// its place.
  private void setLogAside(long millis) {
    Path log = settings.file().resolveSibling(settings.file().getFileName() + "-wal");
    try {
      if (Files.exists(log) && Files.size(log) > 0) {
        Path aside =
            OwnFiles.setAside(log, ".replaced-" + ASIDE.format(Instant.ofEpochMilli(millis)));
        LOG.warn(
            "history: {} belongs to a file that is no longer there; set aside as {}", log, aside);
      }
    } catch (IOException e) {
      LOG.warn("history: {} cannot be set aside: {}", log, said(e));
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
