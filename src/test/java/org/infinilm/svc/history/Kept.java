package org.infinilm.svc.history;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.infinilm.svc.history.Entry.End;
import org.infinilm.svc.history.Entry.Tokens;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// A history whose steps a test makes itself, under a clock that the test sets.
final class Kept implements Ticker {
  static final Instant START = Instant.parse("2026-11-28T10:00:00Z");

  static final class AsTheyAre implements History.Words<Entry> {
    @Override
    public Ended ended(Entry e) {
      return e;
    }

    @Override
    public Entry entry(Entry e) {
      return e;
    }

    @Override
    public byte[] whole(Entry e) {
      return ("{\"request_id\":\"" + e.requestId() + "\"}").getBytes(StandardCharsets.UTF_8);
    }
  }

  final Path file;
  private Duration since = Duration.ZERO;

  Kept(Path file) {
    this.file = file;
  }

  @Override
  public long nanos() {
    return since.toNanos();
  }

  @Override
  public Instant now() {
    return START.plus(since);
  }

  void pass(Duration d) {
    since = since.plus(d);
  }

  static HistorySettings settings(Path file) {
    return new HistorySettings(file, 30, 400, 256L << 20, 1000);
  }

  History<Entry> history() {
    return history(settings(file));
  }

  History<Entry> history(HistorySettings s) {
    return new History<>(s, new AsTheyAre(), this);
  }

  /// A step after a second.
  void flush(History<Entry> h) {
    pass(Duration.ofSeconds(1));
    h.step(false);
  }

  HistoryReader reader() {
    return new HistoryReader(file);
  }

  Entry entry(String id, String key, String model, @Nullable Tokens tokens) {
    return entry(id, key, model, "paged", End.WELL, 20, tokens);
  }

  Entry entry(
      String id,
      String key,
      String model,
      String pool,
      End end,
      long ttftMillis,
      @Nullable Tokens tokens) {
    return new Entry(
        now().toEpochMilli(),
        id,
        key,
        model,
        pool,
        pool.isEmpty() ? "" : pool + "-a",
        pool.isEmpty() ? "" : "size",
        end == End.WELL ? "ok" : "upstream_error",
        end == End.WELL ? 200 : 500,
        end,
        1,
        ttftMillis * 1_000_000,
        ttftMillis * 2_000_000,
        tokens);
  }
}
