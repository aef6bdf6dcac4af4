package org.infinilm.svc.registry;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.SseReader;
import org.jspecify.annotations.Nullable;

/// The registry's table kept up to date from its stream of changes ([WatchStream]). One virtual
/// thread reads; [#await] is thread-safe. It ends with the stream, or when nobody has asked for two
/// minutes.
final class TableFeed implements Client.Listener, SseReader.Sink {
  /// How to read the stream; returns or throws when it ends.
  interface Stream {
    void read(String since, Client.Listener listener) throws IOException, InterruptedException;
  }

  /// The registry knows no such stream.
  static final class NoStream extends IOException {
    private static final long serialVersionUID = 1;
  }

  private static final int MAX_EVENT_BYTES = 256 << 20;
  private static final int MAX_DELETED = 2000;
  private static final int IDLE_COMMENTS = 8;

  /// One event; those of a change count together, when the last has come.
  private record Change(String event, JsonNode data) {}

  private final Stream stream;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Map<String, Service> table = new TreeMap<>();
  private final Set<String> deleted = new LinkedHashSet<>();
  private String version;
  private @Nullable String trouble;

  /// Whether the trouble is not of this stream but of what was read before it.
  private boolean inherited;

  private @Nullable Watch published;
  private @Nullable IOException failure;
  private int commentsSinceAsked;

  private final SseReader events = new SseReader(MAX_EVENT_BYTES, this);
  private final List<Change> pending = new ArrayList<>();
  private boolean refused;
  private volatile @Nullable Thread thread;

  private TableFeed(Stream stream, Watch from) {
    this.stream = stream;
    this.version = from.version();
    this.trouble = from.trouble();
    this.inherited = trouble != null;
    from.services().forEach(s -> table.put(s.name(), s));
    deleted.addAll(from.deleted());
  }

  /// Follows the changes since `from`.
  static TableFeed start(Stream stream, Watch from) {
    TableFeed feed = new TableFeed(stream, from);
    String since = from.version();
    feed.thread = Thread.ofVirtual().name("table-feed").start(() -> feed.run(since));
    return feed;
  }

  /// Reads no further.
  void end() {
    Thread t = thread;
    if (t != null) {
      t.interrupt();
    }
  }

  private void run(String since) {
    IOException end = new IOException("the registry ended its stream of changes");
    try {
      stream.read(since, this);
    } catch (IOException e) {
      end = e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      end = new IOException("the registry's stream of changes cannot be read: " + e, e);
    }
    lock.lock();
    try {
      failure = end;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// The table as soon as its version or its trouble is not that of `seen`, else after `wait`.
  ///
  /// @throws IOException once the stream has ended; [NoStream] when there is none
  Watch await(Watch seen, Duration wait) throws IOException, InterruptedException {
    long left = wait.toNanos();
    lock.lockInterruptibly();
    try {
      commentsSinceAsked = 0;
      while (left > 0
          && failure == null
          && version.equals(seen.version())
          && Objects.equals(trouble, seen.trouble())) {
        left = changed.awaitNanos(left);
      }
      if (failure != null) {
        throw failure;
      }
      Watch now = published;
      if (now == null) {
        now =
            new Watch(version, new ArrayList<>(table.values()), new ArrayList<>(deleted), trouble);
        published = now;
      }
      return now;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void head(int status, Headers headers) {
    String type = Headers.mediaType(headers.get("content-type"));
    if (status != 200 || !type.equals("text/event-stream")) {
      refused = true;
    }
  }

  @Override
  public void piece(byte[] piece) throws IOException {
    if (refused) {
      throw new NoStream();
    }
    events.feed(piece, 0, piece.length);
  }

  @Override
  public void comment() throws IOException {
    lock.lock();
    try {
      forgetInherited();
      if (++commentsSinceAsked > IDLE_COMMENTS) {
        throw new IOException("nobody asks for the registry's table any more");
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void event(String name, byte[] data, int length) throws IOException {
    pending.add(new Change(name, Json.tree(Arrays.copyOf(data, length))));
  }

  /// Changes count together, when the last has come.
  @Override
  public void position(String id) {
    lock.lock();
    try {
      pending.forEach(this::take);
      forgetInherited();
      version = id;
      published = null;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    pending.clear();
  }

  /// A stream begins with the trouble of its time, where there is one.
  private void forgetInherited() {
    if (inherited) {
      troubled(null);
      changed.signalAll();
    }
  }

  private void troubled(@Nullable String now) {
    inherited = false;
    trouble = now;
    published = null;
  }

  private void take(Change c) {
    JsonNode n = c.data();
    switch (c.event()) {
      case "snapshot" -> {
        table.clear();
        deleted.clear();
        n.path("services").forEach(this::put);
        n.path("deleted").forEach(name -> deleted.add(name.asText()));
        troubled(Watch.trouble(n));
      }
      case "trouble" -> troubled(Watch.trouble(n));
      case "put" -> put(n);
      case "delete" -> {
        String name = n.path("name").asText();
        table.remove(name);
        if (n.path("unregistered").asBoolean()) {
          deleted.add(name);
          if (deleted.size() > MAX_DELETED) {
            Iterator<String> oldest = deleted.iterator();
            oldest.next();
            oldest.remove();
          }
        }
      }
      default -> {
        // an event of a later registry
      }
    }
  }

  private void put(JsonNode n) {
    Service s = Service.read(n);
    if (s != null) {
      table.put(s.name(), s);
      deleted.remove(s.name());
    }
  }
}
