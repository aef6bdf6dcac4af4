package org.infinilm.svc.router;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answered requests as JSON lines, for `infini replay`: sizes, times, hashed keys, never text. At
/// its limit the file becomes `FILE.1` and a new one begins, and so one does where somebody moved
/// or deleted it. For one thread.
/*
 * Keys are hashed once more with a number that is drawn at the start and written nowhere: equal keys can
 * be told within one run of the router, and whose they are cannot be guessed from the file.
 */
final class DecisionLog implements AutoCloseable {
  static final int VERSION = 1;
  private static final Logger LOG = LoggerFactory.getLogger(DecisionLog.class);

  private static final int MOST_WAITING_BYTES = 64 << 10;

  private final Path file;
  private final long mostBytes;
  private final long salt;
  private final ByteArrayOutputStream waiting = new ByteArrayOutputStream();
  private int waitingLines;
  private final AtomicLong lostLines = new AtomicLong();
  private @Nullable OutputStream out;
  private @Nullable Object ours;
  private long bytes;
  private boolean torn;
  private boolean stuck;
  private boolean failed;

  /// @throws IOException when the file cannot be opened
  DecisionLog(Path file, long mostBytes, long salt) throws IOException {
    this.file = file;
    this.mostBytes = mostBytes;
    this.salt = salt;
    open();
  }

  private void open() throws IOException {
    out = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    BasicFileAttributes is = Files.readAttributes(file, BasicFileAttributes.class);
    ours = is.fileKey();
    bytes = is.size();
    torn = is.isRegularFile() && bytes > 0 && !endsALine();
  }

  /// What was cut off in the middle of a line stays a line of its own.
  private boolean endsALine() throws IOException {
    try (FileChannel in = FileChannel.open(file, StandardOpenOption.READ)) {
      ByteBuffer last = ByteBuffer.allocate(1);
      return in.read(last, in.size() - 1) < 1 || last.get(0) == '\n';
    }
  }

  /// The words of one line; nothing is written yet. On any thread.
  byte[] worded(Facts f, Decision d) {
    return Json.bytes(line(f, d));
  }

  /// The file.
  Path file() {
    return file;
  }

  /// Writes one line, as [#worded]. What cannot be written is lost, and the first time it is said.
  void write(byte[] line) {
    long after = bytes + waiting.size() + line.length + 1;
    if (after > mostBytes && bytes + waiting.size() > 0 && !stuck) {
      put();
      rotate();
      after = bytes + line.length + 1;
    }
    // where the older file cannot make room this one takes its part too
    if (out != null && (after <= 2 * mostBytes || bytes == 0)) {
      waiting.writeBytes(line);
      waiting.write('\n');
      waitingLines++;
    } else {
      lostLines.incrementAndGet();
    }
    if (waiting.size() > MOST_WAITING_BYTES) {
      put();
    }
  }

  private void rotate() {
    try {
      end();
      Files.move(
          file,
          file.resolveSibling(file.getFileName() + ".1"),
          StandardCopyOption.REPLACE_EXISTING);
    } catch (NoSuchFileException away) {
      // somebody took it: a new one begins all the same
    } catch (IOException e) {
      stuck = true;
      lost(e);
    }
    reopen();
  }

  private void end() throws IOException {
    OutputStream before = out;
    out = null;
    if (before != null) {
      before.close();
    }
  }

  private void reopen() {
    try {
      end();
      open();
    } catch (IOException e) {
      lost(e);
    }
  }

  /// Writes what waits.
  private void put() {
    OutputStream to = out;
    if (to == null || waiting.size() == 0) {
      return;
    }
    try {
      if (torn) {
        to.write('\n');
        bytes++;
        torn = false;
      }
      to.write(waiting.toByteArray());
      bytes += waiting.size();
      failed = stuck;
    } catch (IOException e) {
      torn = true;
      lostLines.addAndGet(waitingLines);
      lost(e);
    } finally {
      waiting.reset();
      waitingLines = 0;
    }
  }

  /// Lines that could not be written. On any thread.
  long lostLines() {
    return lostLines.get();
  }

  private void lost(IOException e) {
    if (!failed) {
      LOG.warn("decision_log: {} cannot be written: {}", file, e.getMessage());
    }
    failed = true;
  }

  /// Writes what waits, to a new file where the one that it was is there no more, and tries again
  /// what failed.
  void flush() {
    boolean was = stuck;
    stuck = false;
    if (out == null || isAway()) {
      reopen();
    }
    put();
    failed |= was;
  }

  private boolean isAway() {
    return !Objects.equals(OwnFiles.key(file), ours);
  }

  private Map<String, Object> line(Facts f, Decision d) {
    Map<String, Object> m = new TreeMap<>();
    Instance i = f.instance();
    Facts.Usage u = f.usage();
    Ask ask = f.ask();
    m.put("v", VERSION);
    m.put("time_ms", d.epochMillis() - d.totalNanos() / 1_000_000);
    m.put("model", d.model());
    m.put("body_bytes", d.requestBytes());
    m.put("size", d.size());
    m.put("threshold", d.threshold());
    m.put("prompt_tokens", u == null ? 0 : u.promptTokens());
    m.put("output_tokens", u == null ? 0 : u.completionTokens());
    m.put("cached_tokens", u == null ? 0 : u.cachedTokens());
    if (ask != null) {
      m.put("prompt_estimate", ask.promptTokens());
      m.put("max_tokens", ask.maxTokens());
      m.put("text", ask.text().name().toLowerCase(Locale.ROOT));
      long key = ask.prefix();
      m.put("key", key == 0 ? "" : Long.toHexString(Hash.mix(key ^ salt)));
    }
    m.put("events", f.sseEvents());
    m.put("instance", i.name());
    m.put("cache_type", i.cacheType() == null ? "" : i.cacheType().label());
    m.put("reason", d.reason() == null ? "" : d.reason().label());
    m.put("outcome", d.outcome().label());
    m.put("status", d.status());
    m.put("attempts", d.attempts());
    m.put("queue_s", d.queueNanos() / 1e9);
    m.put("first_s", f.firstByteNanos() == 0 ? 0 : (f.firstByteNanos() - f.dispatchNanos()) / 1e9);
    m.put("answer_s", (f.lastByteNanos() - f.dispatchNanos()) / 1e9);
    m.put("total_s", d.totalNanos() / 1e9);
    return m;
  }

  @Override
  public void close() {
    flush();
    lostLines.addAndGet(waitingLines);
    try {
      end();
    } catch (IOException e) {
      LOG.warn("decision_log: {} cannot be closed: {}", file, e.getMessage());
    }
  }
}
