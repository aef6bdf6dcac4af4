package org.infinilm.svc.load;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.telemetry.GaugeReading;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Reads the gauges of the engines beside a run, each on a virtual thread of its own, until it is
/// closed.
public final class EngineGauges implements AutoCloseable {
  private static final int MOST_ENGINES = 64;

  /// One that has shown no gauges so often is not asked any more.
  private static final int IN_VAIN = 3;

  /// What one reading may take to notice the end.
  private static final Duration MOST_ENDING = Duration.ofSeconds(2);

  /// Where the metrics of one engine come from.
  @FunctionalInterface
  public interface Source {
    String exposition() throws IOException, InterruptedException;
  }

  private final List<GaugeSeries> series = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final Duration interval;
  private final double fromSeconds;
  private final Ticker ticker;
  private final long startNanos;
  private volatile boolean ended;

  /// @param sources by the name of the engine, at most 64 of them
  /// @param interval between two readings of one engine, above 0
  /// @param from readings after the start that are in no figure
  public EngineGauges(
      Map<String, Source> sources, Duration interval, Duration from, Ticker ticker) {
    this.interval = interval;
    this.fromSeconds = from.toNanos() / 1e9;
    this.ticker = ticker;
    this.startNanos = ticker.nanos();
    sources.entrySet().stream()
        .limit(MOST_ENGINES)
        .forEach(e -> {
          GaugeSeries s = new GaugeSeries(e.getKey());
          series.add(s);
          threads.add(Thread.startVirtualThread(() -> follow(s, e.getValue())));
        });
  }

  private void follow(GaugeSeries into, Source source) {
    int vain = 0;
    try {
      while (vain < IN_VAIN) {
        GaugeReading r = read(source);
        if (ended) {
          return;
        }
        if (r != null) {
          into.add((ticker.nanos() - startNanos) / 1e9, r);
        } else if (into.count() == 0) {
          vain++;
        }
        TimeUnit.NANOSECONDS.sleep(interval.toNanos());
      }
    } catch (InterruptedException closed) {
      Thread.currentThread().interrupt();
    }
  }

  private static @Nullable GaugeReading read(Source source) throws InterruptedException {
    try {
      return GaugeReading.of(source.exposition());
    } catch (IOException noAnswer) {
      return null;
    }
  }

  /// One line an engine.
  public List<String> lines() {
    return series.stream().map(s -> s.line(fromSeconds)).toList();
  }

  public boolean isEmpty() {
    return series.stream().allMatch(s -> s.count() == 0);
  }

  /// `{"interval_s":1,"instances":{NAME:{"engine":...,"t_s":[...],"running":[...],...}}}`; times
  /// are seconds after the start of the run.
  public void write(JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeNumberField("interval_s", interval.toNanos() / 1e9);
    g.writeObjectFieldStart("instances");
    for (GaugeSeries s : series) {
      s.write(g);
    }
    g.writeEndObject();
    g.writeEndObject();
  }

  /// Reads no more; what was read stays. When this returns, at the latest after some seconds,
  /// nothing is added any more.
  public void end() {
    ended = true;
    threads.forEach(Thread::interrupt);
    try {
      for (Thread t : threads) {
        t.join(MOST_ENDING);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    end();
  }
}
