package org.infinilm.svc.registry;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The table on disk: an append-only file in a folder of its own, held by one process.
///
/// One thread writes. Changes of entries are on disk (fsync) before they are confirmed, in groups;
/// heartbeats are written without fsync, within a twentieth of a second. When the file has grown to
/// several times the table, it is replaced by a snapshot in one rename. A write error, also at the
/// start, stops the journal, not the registry: it starts again with the next snapshot.
final class Journal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Journal.class);
  private static final String FILE = "journal.jsonl";
  private static final int QUEUE = 10_000;
  private static final int BATCH = 512;
  private static final long SMALL_BYTES = 1 << 20;

  /// What nobody waits for waits for more of its kind: many heartbeats are one write and one
  /// wake-up of the writer.
  private static final long PAUSE_MILLIS = 50;

  private sealed interface Command {
    CompletableFuture<Boolean> done();

    default boolean isUrgent() {
      return true;
    }
  }

  private record Append(List<JournalRecord> records, CompletableFuture<Boolean> done)
      implements Command {
    @Override
    public boolean isUrgent() {
      return records.stream().anyMatch(JournalRecord::durable);
    }
  }

  private record Snapshot(List<JournalRecord> records, CompletableFuture<Boolean> done)
      implements Command {}

  private record Stop(CompletableFuture<Boolean> done) implements Command {}

  private final Path dir;
  private final String boot;
  private final Event.Restore restored;
  private final Instant started;
  private final BlockingQueue<Command> queue = new LinkedBlockingQueue<>(QUEUE);
  private final Semaphore urgent = new Semaphore(0);
  private final Thread writer;

  /// Whether there was a file at the start.
  private final boolean found;

  /// Why the file that stands there must be kept before it is replaced.
  private @Nullable String keepBecause;

  private @Nullable JournalFolder folder;
  private @Nullable FileChannel file;

  /// What tells file and folder from others that come under their names.
  private @Nullable Object fileKey;

  private @Nullable Object folderKey;
  private volatile long sizeBytes;
  private volatile long snapshotBytes;
  private volatile boolean broken;
  private volatile boolean lost;

  private Journal(
      Path dir, @Nullable JournalFolder folder, String boot, Event.Restore restored, Found found) {
    this.dir = dir;
    this.folder = folder;
    this.boot = boot;
    this.restored = restored;
    this.found = found.exists();
    this.started = found.at();
    this.keepBecause = found.problem();
    writer = Thread.ofPlatform().daemon().name("journal").unstarted(this::write);
  }

  /// What the start found.
  ///
  /// @param problem of the file; null when all of it counts
  private record Found(
      JournalFormat.Replay replay, boolean exists, @Nullable String problem, Instant at) {}

  /// Takes the folder (made when missing), reads what it holds and starts a fresh file from it. A
  /// damaged file is kept under a new name; every good line of it counts. Where nothing can be
  /// written (a full or read-only disk) the old file stays, and the journal is broken until
  /// something can.
  ///
  /// @param now for the name of a damaged file, and to see whether the wall clock was set meanwhile
  /// @param boot the machine's run that the monotonic clock belongs to; empty where it is not known
  /// @throws JournalFolder.Misused when the folder is none, not this user's, or another process's,
  ///   or what is in the journal's place is no file
  static Journal open(Path dir, Now now, String boot) throws JournalFolder.Misused {
    JournalFolder.requireFile(dir.resolve(FILE));
    JournalFolder folder = null;
    IOException notNow = null;
    try {
      folder = JournalFolder.take(dir);
    } catch (JournalFolder.Misused e) {
      throw e;
    } catch (IOException e) {
      JournalFolder.requireFree(dir);
      notNow = e;
    }
    Found found = read(dir.resolve(FILE), now.wall());
    List<Event.Stored> entries = found.replay().entries(now, boot);
    Map<String, Instant> deleted = found.replay().deleted();
    Journal journal = new Journal(dir, folder, boot, new Event.Restore(entries, deleted), found);
    if (notNow == null) {
      List<JournalRecord> records = new ArrayList<>(journal.clock(now));
      deleted.forEach((name, at) -> records.add(new JournalRecord.Deleted(name, at)));
      entries.forEach(s -> records.add(new JournalRecord.Put(s)));
      journal.renew(records);
    } else {
      journal.fail(notNow.toString());
    }
    journal.writer.start();
    return journal;
  }

  private static Found read(Path path, Instant at) {
    JournalFormat.Replay replay = new JournalFormat.Replay(List.of(), Map.of(), 0, null, null);
    String problem = null;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(path), 1 << 16)) {
      replay = JournalFormat.replay(in);
      problem = replay.problem();
    } catch (NoSuchFileException first) {
      return new Found(replay, false, null, at);
    } catch (IOException unreadable) {
      problem = "cannot be read: " + unreadable;
    }
    if (problem != null) {
      log.warn("journal {}: {}; the other {} lines count", path, problem, replay.lines());
    }
    return new Found(replay, true, problem, at);
  }

  /// The folder, ours and with nothing in the way of a new file: what was not read whole is kept
  /// under another name first.
  private void prepare() throws IOException {
    Path path = dir.resolve(FILE);
    JournalFolder ours = folder;
    if (ours == null) {
      ours = JournalFolder.take(dir);
      folder = ours;
      if (!found && Files.exists(path)) {
        keepBecause = "was not there at the start";
      }
    }
    if (keepBecause != null) {
      log.warn("journal {}: {}; it is kept as {}", path, keepBecause, ours.setAside(path, started));
      keepBecause = null;
    }
  }

  /// A note of both clocks, to append now and then; none where the machine's run is not known.
  List<JournalRecord> clock(Now now) {
    return boot.isEmpty()
        ? List.of()
        : List.of(new JournalRecord.Clock(boot, now.nanos(), now.wall()));
  }

  Event.Restore restored() {
    return restored;
  }

  /// Hands over records; call it in the order of the changes.
  ///
  /// @return true once they are written (and on disk, if any is durable); false when they are not
  CompletableFuture<Boolean> append(List<JournalRecord> records) {
    return offer(new Append(records, new CompletableFuture<>()));
  }

  /// Whether the file has outgrown the table, or stopped after an error.
  boolean wantsSnapshot() {
    return isBroken() || sizeBytes > Math.max(SMALL_BYTES, 4 * snapshotBytes);
  }

  boolean isBroken() {
    return broken || lost;
  }

  /// Replaces the file by these records; call it in the order of the changes.
  CompletableFuture<Boolean> snapshot(List<JournalRecord> records) {
    // Until it is written, no second one is wanted.
    snapshotBytes = Math.max(snapshotBytes, sizeBytes);
    lost = false;
    return offer(new Snapshot(records, new CompletableFuture<>()));
  }

  private CompletableFuture<Boolean> offer(Command c) {
    if (!queue.offer(c)) {
      if (!lost) {
        log.warn("journal {}: the disk does not keep up; records are lost", dir.resolve(FILE));
      }
      lost = true;
      c.done().complete(false);
    }
    if (c.isUrgent() || queue.size() == BATCH) {
      urgent.release();
    }
    return c.done();
  }

  /// Writes what is queued, then lets the folder go.
  @Override
  public void close() throws IOException {
    Stop stop = new Stop(new CompletableFuture<>());
    try {
      queue.put(stop);
      urgent.release();
      writer.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (file != null) {
      file.close();
    }
    if (folder != null) {
      folder.lock().close();
    }
  }

  private void write() {
    List<Command> batch = new ArrayList<>();
    boolean stopped = false;
    while (!stopped) {
      try {
        Command first = queue.take();
        batch.add(first);
        if (first.isUrgent()
            || queue.size() >= BATCH
            || urgent.tryAcquire(PAUSE_MILLIS, TimeUnit.MILLISECONDS)) {
          urgent.drainPermits();
        }
      } catch (InterruptedException e) {
        return;
      }
      queue.drainTo(batch, BATCH);
      stopped = batch.stream().anyMatch(Stop.class::isInstance);
      write(batch);
      batch.clear();
    }
  }

  private void write(List<Command> batch) {
    List<Append> appends = new ArrayList<>();
    for (Command c : batch) {
      switch (c) {
        case Append a -> appends.add(a);
        case Snapshot s -> {
          writeAll(appends);
          appends.clear();
          s.done().complete(renew(s.records()));
        }
        case Stop s -> {
          writeAll(appends);
          appends.clear();
          sync();
          s.done().complete(!broken);
        }
      }
    }
    writeAll(appends);
  }

  private void writeAll(List<Append> appends) {
    if (appends.isEmpty()) {
      return;
    }
    FileChannel to = file;
    if (!broken && to != null && !fileStands()) {
      fail("it was removed, or another file took its place");
    }
    if (!broken && to != null) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      boolean durable = false;
      for (Append a : appends) {
        for (JournalRecord r : a.records()) {
          out.writeBytes(JournalFormat.line(r));
          durable |= r.durable();
        }
      }
      try {
        writeFully(to, out.toByteArray());
        long size = sizeBytes + out.size();
        sizeBytes = size;
        if (durable) {
          to.force(false);
        }
      } catch (IOException e) {
        fail(e.toString());
      }
    }
    boolean written = !broken;
    appends.forEach(a -> a.done().complete(written));
  }

  private boolean renew(List<JournalRecord> records) {
    try {
      prepare();
      FileChannel fresh = replace(dir, records);
      if (file != null) {
        file.close();
      }
      file = fresh;
      fileKey = OwnFiles.key(dir.resolve(FILE));
      folderKey = OwnFiles.key(dir);
      sizeBytes = fresh.size();
      snapshotBytes = sizeBytes;
      if (broken) {
        broken = false;
        log.info("journal {}: written again", dir.resolve(FILE));
      }
      return true;
    } catch (IOException e) {
      fail(e.toString());
      return false;
    }
  }

  /// Whether what is written can be found again; a folder that was removed is no longer ours.
  private boolean fileStands() {
    JournalFolder ours = folder;
    if (ours != null && !Objects.equals(folderKey, OwnFiles.key(dir))) {
      try {
        ours.lock().close();
      } catch (IOException gone) {
        log.debug("journal {}: {}", dir, gone.toString());
      }
      folder = null;
    }
    return Objects.equals(fileKey, OwnFiles.key(dir.resolve(FILE)));
  }

  private void sync() {
    try {
      if (file != null) {
        file.force(false);
      }
    } catch (IOException e) {
      fail(e.toString());
    }
  }

  private void fail(String why) {
    if (!broken) {
      broken = true;
      log.warn(
          "journal {}: cannot be written: {}; entries live in memory until it can"
              + " (free some space, or set --data-dir)",
          dir.resolve(FILE),
          why);
    }
  }

  /// Writes a whole new file beside the old one, makes it durable and renames it into place.
  private static FileChannel replace(Path dir, List<JournalRecord> records) throws IOException {
    Path fresh = dir.resolve(FILE + ".new");
    Files.deleteIfExists(fresh);
    FileChannel out = JournalFolder.create(fresh);
    try {
      for (JournalRecord r : records) {
        writeFully(out, JournalFormat.line(r));
      }
      out.force(true);
      Files.move(fresh, dir.resolve(FILE), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException | RuntimeException e) {
      out.close();
      Files.deleteIfExists(fresh);
      throw e;
    }
    try (FileChannel folder = FileChannel.open(dir, StandardOpenOption.READ)) {
      folder.force(true);
    } catch (IOException notOnThisSystem) {
      log.debug("cannot sync folder {}", dir);
    }
    return out;
  }

  private static void writeFully(FileChannel out, byte[] bytes) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(bytes);
    while (b.hasRemaining()) {
      out.write(b);
    }
  }
}
