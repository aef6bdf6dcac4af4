package org.infinilm.svc.router;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.router.Decisions.Decision;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answered requests as JSON lines, for `infini replay`: sizes, times, hashed keys, never text. At
/// its limit the file becomes `FILE.1` and a new one begins. For one thread.
/*
 * Keys are hashed once more with a number that is drawn at the start and written nowhere: equal keys can
 * be told within one run of the router, and whose they are cannot be guessed from the file.
 */
final class DecisionLog implements AutoCloseable {
  static final int VERSION = 1;
  private static final Logger LOG = LoggerFactory.getLogger(DecisionLog.class);

  private final Path file;
  private final long mostBytes;
  private final long salt;
  private OutputStream out;
  private long bytes;
  private boolean failed;

  /// @throws IOException when the file cannot be opened
  DecisionLog(Path file, long mostBytes, long salt) throws IOException {
    this.file = file;
    this.mostBytes = mostBytes;
    this.salt = salt;
    this.bytes = Files.exists(file) ? Files.size(file) : 0;
    this.out = open();
  }

  private OutputStream open() throws IOException {
    return new BufferedOutputStream(
        Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND));
  }

  /// Writes one line. What cannot be written is lost, and the first time it is said.
  void write(Facts f, Decision d) {
    byte[] line = Json.bytes(line(f, d));
    try {
      if (bytes > 0 && bytes + line.length + 1 > mostBytes) {
        out.close();
        Files.move(
            file,
            file.resolveSibling(file.getFileName() + ".1"),
            StandardCopyOption.REPLACE_EXISTING);
        out = open();
        bytes = 0;
      }
      out.write(line);
      out.write('\n');
      bytes += line.length + 1;
      failed = false;
    } catch (IOException e) {
      if (!failed) {
        LOG.warn("decision_log: {} cannot be written: {}", file, e.getMessage());
      }
      failed = true;
    }
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

  void flush() {
    try {
      out.flush();
    } catch (IOException e) {
      if (!failed) {
        LOG.warn("decision_log: {} cannot be written: {}", file, e.getMessage());
      }
      failed = true;
    }
  }

  @Override
  public void close() {
    flush();
    try {
      out.close();
    } catch (IOException e) {
      LOG.warn("decision_log: {} cannot be closed: {}", file, e.getMessage());
    }
  }
}
