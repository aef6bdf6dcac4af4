package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;

/// The stream that page and `top` share, as server-sent events: a `snapshot`, then a `tick` each
/// second with what changed. While nobody listens nothing is computed and no thread is there.
/// Thread-safe.
/*
 * One thread makes each event once for all. A listener that has not taken the last ones misses the next, and gets
 * a snapshot when it reads again; one that misses many is cut. What a snapshot tells may come once more in the
 * next tick: rows and events carry numbers by which readers know them.
 */
final class EventFeed implements AutoCloseable {
  /// What is told; used by one thread at a time.
  interface Source {
    /// Everything.
    Map<String, Object> snapshot() throws InterruptedException;

    /// What changed since the last tick.
    Map<String, Object> tick() throws InterruptedException;

    /// Nobody listens any more.
    void rest();
  }

  static final int MOST_LISTENERS = 32;

  /// Ticks that a listener may miss in a row.
  static final int MOST_MISSED = 15;

  private static final long PERIOD_NANOS = Duration.ofSeconds(1).toNanos();

  /// Between two snapshots, however many want one.
  private static final long SNAPSHOT_NANOS = Duration.ofMillis(250).toNanos();

  private final Source source;
  private final Ticker ticker;
  private final Object lock = new Object();
  private final List<Listener> listeners = new ArrayList<>();
  private volatile int mostListeners = MOST_LISTENERS;
  private boolean running;
  private boolean closed;

  /// On the feed's thread.
  private long tickedNanos;

  private long snapshotNanos;

  EventFeed(Source source, Ticker ticker) {
    this.source = source;
    this.ticker = ticker;
    this.snapshotNanos = ticker.nanos() - SNAPSHOT_NANOS;
  }

  /// The router has so many connections: at most half of them listen.
  void places(int connections) {
    mostListeners = Math.clamp(connections / 2, 1, MOST_LISTENERS);
  }

  /// Takes a listener on, on its event loop.
  void open(Inbound in, String requestId) {
    Listener l = new Listener(in);
    synchronized (lock) {
      if (closed || listeners.size() >= mostListeners) {
        in.answer(
            OwnRoutes.error(
                    503,
                    closed ? "shutting_down" : "too_many_listeners",
                    closed
                        ? "the router ends"
                        : listeners.size() + " listen to /events (expected: fewer than that)")
                .with("retry-after", "10")
                .with("x-request-id", requestId));
        return;
      }
      in.events(l);
      in.startStream(
          List.of(new Header("x-request-id", requestId), new Header("x-accel-buffering", "no")));
      in.flush();
      listeners.add(l);
      if (running) {
        lock.notifyAll();
      } else {
        running = true;
        Thread.ofVirtual().name("events").start(this::run);
      }
    }
  }

  int listeners() {
    synchronized (lock) {
      return listeners.size();
    }
  }

  private void run() {
    tickedNanos = ticker.nanos();
    try {
      while (true) {
        List<Listener> now = await();
        if (now.isEmpty()) {
          return;
        }
        Endless.step("what listeners of /events are told", () -> tell(now));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Those who listen, once there is something to tell; nobody when the thread is to end.
  private List<Listener> await() throws InterruptedException {
    synchronized (lock) {
      while (true) {
        if (closed || listeners.isEmpty()) {
          running = false;
          source.rest();
          return List.of();
        }
        long now = ticker.nanos();
        long left = PERIOD_NANOS - (now - tickedNanos);
        if (listeners.stream().anyMatch(Listener::wantsSnapshot)) {
          left = Math.min(left, SNAPSHOT_NANOS - (now - snapshotNanos));
        }
        if (left <= 0) {
          return List.copyOf(listeners);
        }
        lock.wait(left / 1_000_000, (int) (left % 1_000_000));
      }
    }
  }

  private void tell(List<Listener> all) throws InterruptedException {
    long now = ticker.nanos();
    boolean ticks = now - tickedNanos >= PERIOD_NANOS;
    byte[] tick = new byte[0];
    if (ticks) {
      tickedNanos = now;
      tick = event("tick", source.tick());
    }
    byte[] snapshot = new byte[0];
    if (all.stream().anyMatch(Listener::wantsSnapshot)) {
      snapshotNanos = now;
      snapshot = event("snapshot", source.snapshot());
    }
    for (Listener l : all) {
      if (l.wantsSnapshot()) {
        l.behind = false;
        l.send(snapshot);
      } else if (ticks) {
        l.send(tick);
      }
    }
  }

  private static byte[] event(String name, Map<String, Object> data) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(4096);
    out.writeBytes(("event: " + name + "\ndata: ").getBytes(UTF_8));
    out.writeBytes(Json.bytes(data));
    out.writeBytes("\n\n".getBytes(UTF_8));
    return out.toByteArray();
  }

  private void leave(Listener l) {
    synchronized (lock) {
      listeners.remove(l);
      lock.notifyAll();
    }
  }

  /// Ends all streams in good order; nobody is taken on any more.
  @Override
  public void close() {
    List<Listener> all;
    synchronized (lock) {
      closed = true;
      all = List.copyOf(listeners);
      lock.notifyAll();
    }
    all.forEach(Listener::end);
  }

  /// One who listens. Its fields are its event loop's, but for [#behind].
  private final class Listener implements InboundEvents {
    private final Inbound in;
    private int missed;
    private boolean over;

    /// Whether it has missed something, as everybody has at the start.
    volatile boolean behind = true;

    Listener(Inbound in) {
      this.in = in;
    }

    boolean wantsSnapshot() {
      return behind;
    }

    void send(byte[] event) {
      execute(() -> {
        if (over) {
          return;
        }
        if (in.isWritable()) {
          missed = 0;
          in.relayBody(Unpooled.wrappedBuffer(event));
          in.flush();
        } else {
          behind = true;
          missed++;
          if (missed > MOST_MISSED) {
            over(() -> in.breakOff(new byte[0]));
          }
        }
      });
    }

    void end() {
      execute(() -> over(in::relayEnd));
    }

    private void execute(Runnable task) {
      try {
        in.execute(task);
      } catch (RejectedExecutionException ended) {
        leave(this);
      }
    }

    private void over(Runnable end) {
      if (!over) {
        over = true;
        leave(this);
        end.run();
      }
    }

    @Override
    public void writable(boolean on) {
      // looked at before each event
    }

    @Override
    public void gone() {
      over(() -> {});
    }

    @Override
    public void shutdown() {
      over(in::relayEnd);
    }

    @Override
    public void fault() {
      over(() -> in.breakOff(new byte[0]));
    }
  }
}
