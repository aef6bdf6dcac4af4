package org.infinilm.svc.registry;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Changes as server-sent events: `snapshot` (what `/watch` answers) at first and after a gap, then
/// `put` (an entry) and `delete` (`{"name":...,"unregistered":true|false}`). The id of the last
/// event of a change is the table's version, to resume from. A reader that is slow gets what is
/// true now, not every step.
final class WatchStream {
  private static final Duration KEEP_ALIVE = Duration.ofSeconds(15);
  private static final byte[] COMMENT = ":\n\n".getBytes(StandardCharsets.US_ASCII);

  private final LeaseStore store;

  WatchStream(LeaseStore store) {
    this.store = store;
  }

  /// Writes until the client or the registry goes.
  ///
  /// @param since version that the reader has; anything else than a version of this run is a gap
  void write(String since, Response.BodySink sink) throws IOException, InterruptedException {
    String seen = since;
    while (!store.isClosed()) {
      LeaseStore.Delta delta = store.since(seen);
      String version = store.version(delta.table());
      if (!version.equals(seen)) {
        sink.write(events(delta, version));
        seen = version;
      } else if (version.equals(store.version(store.await(version, KEEP_ALIVE)))) {
        sink.write(COMMENT);
      }
    }
  }

  private byte[] events(LeaseStore.Delta delta, String version) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
    Now now = store.now();
    Set<String> names = delta.names();
    if (names == null) {
      event(out, "snapshot", version, Answers.watch(delta.table(), version, now));
      return out.toByteArray();
    }
    int left = names.size();
    if (left == 0) {
      put(out, "id: " + version + "\n\n");
    }
    for (String name : names) {
      left--;
      Lease lease = delta.table().leases().get(name);
      String id = left == 0 ? version : null;
      if (lease != null) {
        event(out, "put", id, Answers.service(lease, now));
      } else {
        boolean unregistered = delta.table().deleted().containsKey(name);
        event(out, "delete", id, Json.bytes(Map.of("name", name, "unregistered", unregistered)));
      }
    }
    return out.toByteArray();
  }

  private static void event(
      ByteArrayOutputStream out, String kind, @Nullable String id, byte[] json) {
    put(out, "event: " + kind + "\n" + (id == null ? "" : "id: " + id + "\n") + "data: ");
    out.writeBytes(json);
    put(out, "\n\n");
  }

  private static void put(ByteArrayOutputStream out, String text) {
    out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
  }
}
