package org.infinilm.svc.registry;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Changes as server-sent events: `snapshot` (what `/watch` answers) at first and after a gap, then
/// `put` (an entry), `delete` (`{"name":...,"unregistered":true|false}`) and `trouble`
/// (`{"trouble":"..."}`, or `{}` when it is over; first of all where there is one and no snapshot).
/// The id of the last event of a change is the table's version, to resume from. A reader that is
/// slow gets what is true now, not every step, and so does everyone when changes come faster than
/// every 10 ms.
final class WatchStream {
  private static final Duration KEEP_ALIVE = Duration.ofSeconds(15);
  private static final Duration PACE = Duration.ofMillis(10);
  private static final byte[] COMMENT = ":\n\n".getBytes(StandardCharsets.US_ASCII);

  private final LeaseStore store;
  private final Pieces pieces;

  WatchStream(LeaseStore store, Pieces pieces) {
    this.store = store;
    this.pieces = pieces;
  }

  /// Writes until the client or the registry goes.
  ///
  /// @param since version that the reader has; anything else than a version of this run is a gap
  void write(String since, Response.BodySink sink) throws IOException, InterruptedException {
    String seen = since;
    String told = null;
    while (!store.isClosed()) {
      LeaseStore.Delta delta = store.since(seen);
      String version = store.version(delta.table());
      String trouble = store.trouble();
      boolean news = !version.equals(seen);
      Set<String> names = delta.names();
      if (news && names == null) {
        snapshot(delta.table(), version, trouble, sink);
        told = trouble;
      } else if (!Objects.equals(trouble, told)) {
        trouble(trouble, seen, sink);
        told = trouble;
      }
      if (news && names != null) {
        events(delta.table(), names, version, sink);
      }
      if (news) {
        seen = version;
        Thread.sleep(PACE);
      } else if (version.equals(store.version(store.await(version, told, KEEP_ALIVE)))
          && Objects.equals(told, store.trouble())) {
        sink.write(COMMENT);
      }
    }
  }

  private static void trouble(@Nullable String now, String version, Response.BodySink sink)
      throws IOException, InterruptedException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    event(out, "trouble", version, Json.bytes(now == null ? Map.of() : Map.of("trouble", now)));
    sink.write(out.toByteArray());
  }

  /// Piece by piece: of a large table many readers ask at once, when the registry has restarted.
  private void snapshot(Table t, String version, @Nullable String trouble, Response.BodySink sink)
      throws IOException, InterruptedException {
    sink.write(utf8("event: snapshot\nid: " + version + "\ndata: "));
    Answers.watch(t, version, trouble, store.now()).writeTo(pieces.bytes(), sink::write);
    sink.write(utf8("\n\n"));
  }

  private void events(Table t, Set<String> names, String version, Response.BodySink sink)
      throws IOException, InterruptedException {
    ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
    Now now = store.now();
    int left = names.size();
    if (left == 0) {
      put(out, "id: " + version + "\n\n");
    }
    for (String name : names) {
      if (out.size() >= pieces.bytes()) {
        sink.write(out.toByteArray());
        out.reset();
      }
      left--;
      Lease lease = t.leases().get(name);
      String id = left == 0 ? version : null;
      if (lease != null) {
        event(out, "put", id, Answers.service(lease, now));
      } else {
        boolean unregistered = t.deleted().containsKey(name);
        event(out, "delete", id, Json.bytes(Map.of("name", name, "unregistered", unregistered)));
      }
    }
    sink.write(out.toByteArray());
  }

  private static void event(
      ByteArrayOutputStream out, String kind, @Nullable String id, byte[] json) {
    put(out, "event: " + kind + "\n" + (id == null ? "" : "id: " + id + "\n") + "data: ");
    out.writeBytes(json);
    put(out, "\n\n");
  }

  private static void put(ByteArrayOutputStream out, String text) {
    out.writeBytes(utf8(text));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
