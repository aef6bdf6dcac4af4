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
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The table on disk: an append-only file in a folder of its own, held by one process.
///
/// One thread writes. Changes of entries are on disk (fsync) before they are confirmed, in groups;
/// heartbeats are written without fsync. When the file has grown to several times the table, it is
/// replaced by a snapshot in one rename. A write error, also at the start, stops the journal, not
/// the registry: it starts again with the next snapshot.
final class Journal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Journal.class);
  private static final String FILE = "journal.jsonl";
  private static final int QUEUE = 10_000;
  private static final int BATCH = 512;
  private static final long SMALL_BYTES = 1 << 20;

  private sealed interface Command {
    CompletableFuture<Boolean> done();
  }

  private record Append(List<JournalRecord> records, CompletableFuture<Boolean> done)
      implements Command {}

  private record Snapshot(List<JournalRecord> records, CompletableFuture<Boolean> done)
      implements Command {}

  private record Stop(CompletableFuture<Boolean> done) implements Command {}

  private final Path dir;
  private final String boot;
  private final FileChannel lockFile;
  private final Event.Restore restored;
  private final BlockingQueue<Command> queue = new LinkedBlockingQueue<>(QUEUE);
  private final Thread writer;
  private @Nullable FileChannel file;
  private volatile long sizeBytes;
  private volatile long snapshotBytes;
  private volatile boolean broken;
  private volatile boolean lost;

  private Journal(Path dir, FileChannel lockFile, String boot, Event.Restore restored) {
    this.dir = dir;
    this.boot = boot;
    this.lockFile = lockFile;
    this.restored = restored;
    writer = Thread.ofPlatform().daemon().name("journal").unstarted(this::write);
  }

  /// Takes the folder (made when missing), reads what it holds and starts a fresh file from it. A
  /// damaged file is kept under a new name; every good line of it counts. Where nothing can be
  /// written (a full disk) the old file stays, and the journal is broken until something can.
  ///
  /// @param now for the name of a damaged file, and to see whether the wall clock was set meanwhile
  /// @param boot the machine's run that the monotonic clock belongs to; empty where it is not known
  /// @throws IOException when the folder cannot be used, or another process holds it
  static Journal open(Path dir, Now now, String boot) throws IOException {
    JournalFolder folder = JournalFolder.take(dir);
    try {
      Path path = dir.resolve(FILE);
      JournalFormat.Replay replay = read(path);
      List<Event.Stored> entries = replay.entries(now, boot);
      Journal journal =
          new Journal(dir, folder.lock(), boot, new Event.Restore(entries, replay.deleted()));
      String problem = replay.problem();
      if (problem == null || journal.setAside(folder, path, problem, replay.lines(), now.wall())) {
        List<JournalRecord> records = new ArrayList<>(journal.clock(now));
        replay.deleted().forEach((name, at) -> records.add(new JournalRecord.Deleted(name, at)));
        entries.forEach(s -> records.add(new JournalRecord.Put(s)));
        journal.renew(records);
      }
      journal.writer.start();
      return journal;
    } catch (IOException | RuntimeException e) {
      folder.lock().close();
      throw e;
    }
  }

  /// @return whether the damaged file is safe under another name, so that it may be replaced
  private boolean setAside(
      JournalFolder folder, Path path, String problem, int lines, Instant now) {
    try {
      Path aside = folder.setAside(path, now);
      log.warn(
          "journal {}: {}; the other {} lines count, the file is kept as {}",
          path,
          problem,
          lines,
          aside);
      return true;
    } catch (IOException e) {
      log.warn("journal {}: {}; the other {} lines count", path, problem, lines);
      fail("the damaged file cannot be kept: " + e);
      return false;
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
    return c.done();
  }

  /// Writes what is queued, then lets the folder go.
  @Override
  public void close() throws IOException {
    Stop stop = new Stop(new CompletableFuture<>());
    try {
      queue.put(stop);
      writer.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (file != null) {
      file.close();
    }
    lockFile.close();
  }

  private void write() {
    List<Command> batch = new ArrayList<>();
    boolean stopped = false;
    while (!stopped) {
      try {
        batch.add(queue.take());
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
      FileChannel fresh = replace(dir, records);
      if (file != null) {
        file.close();
      }
      file = fresh;
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

  private static JournalFormat.Replay read(Path path) throws IOException {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(path), 1 << 16)) {
      return JournalFormat.replay(in);
    } catch (NoSuchFileException first) {
      return new JournalFormat.Replay(List.of(), Map.of(), 0, null, null);
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
