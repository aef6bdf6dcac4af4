package org.infinilm.svc.etcd;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;

/// Reads the answer to a watch, a line of JSON at a time.
final class WatchLines implements Client.Listener {
  private static final int MAX_LINE_BYTES = 256 << 20;

  /// What looks at every answer first.
  interface Check {
    void check(JsonNode answer) throws EtcdFailure;
  }

  private final Check check;
  private final Etcd.Watcher watcher;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private int status;

  WatchLines(Check check, Etcd.Watcher watcher) {
    this.check = check;
    this.watcher = watcher;
  }

  @Override
  public void head(int s, Headers headers) {
    status = s;
  }

  @Override
  public void piece(byte[] piece) throws IOException {
    int from = 0;
    for (int k = 0; k < piece.length; k++) {
      if (piece[k] == '\n') {
        line.write(piece, from, k - from);
        from = k + 1;
        take(line.toByteArray());
        line.reset();
      }
    }
    line.write(piece, from, piece.length - from);
    if (line.size() > MAX_LINE_BYTES) {
      throw new EtcdFailure(Kind.OTHER, "etcd: a watch line of over " + MAX_LINE_BYTES + " bytes");
    }
    if (status != 200) {
      throw EtcdFailure.refused("watch", status, line.toByteArray());
    }
  }

  /// What a line of a stream holds; other answers are themselves.
  static JsonNode result(JsonNode line) throws EtcdFailure {
    JsonNode error = line.path("error");
    if (error.isObject()) {
      int code = error.path("grpc_code").asInt(error.path("code").asInt());
      String said = error.path("message").asText();
      throw new EtcdFailure(EtcdFailure.kind(code, said), "etcd: " + EtcdFailure.shortened(said));
    }
    return line.has("result") ? line.path("result") : line;
  }

  /// A stream that has ended: a document a line.
  static List<byte[]> documents(byte[] body) {
    List<byte[]> out = new ArrayList<>();
    int from = 0;
    for (int at = 0; at <= body.length; at++) {
      if (at == body.length || body[at] == '\n') {
        if (at > from) {
          out.add(Arrays.copyOfRange(body, from, at));
        }
        from = at + 1;
      }
    }
    return out;
  }

  private void take(byte[] json) throws IOException {
    if (json.length == 0) {
      return;
    }
    JsonNode n = result(Json.tree(json));
    if (n.path("compact_revision").asLong() > 0) {
      throw new EtcdFailure(
          Kind.COMPACTED, "etcd: compacted up to revision " + n.path("compact_revision").asLong());
    }
    if (n.path("canceled").asBoolean()) {
      String said = n.path("cancel_reason").asText();
      // an etcd of 3.4 says of a token that has ended that it has no permission
      Kind kind =
          said.contains("permission") || said.contains("auth") ? Kind.CREDENTIALS : Kind.AWAY;
      throw new EtcdFailure(kind, "etcd: the watch was cancelled: " + EtcdFailure.shortened(said));
    }
    check.check(n);
    List<Etcd.Change> changes = new ArrayList<>();
    for (JsonNode event : n.path("events")) {
      changes.add(
          new Etcd.Change(
              event.path("type").asText().equals("DELETE"), KeyValue.read(event.path("kv"))));
    }
    long revision = changes.isEmpty() ? 0 : changes.getLast().key().revision();
    watcher.heard(revision, changes);
  }
}
