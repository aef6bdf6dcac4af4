package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.http.Headers;
import org.junit.jupiter.api.Test;

class WatchLinesTest {
  private static final String CREATED =
      "{\"result\":{\"header\":{\"cluster_id\":\"1\",\"revision\":\"4\"},\"created\":true}}\n";
  private static final String EVENTS =
      "{\"result\":{\"header\":{\"revision\":\"9\"},\"events\":["
          + "{\"kv\":{\"key\":\"YQ==\",\"value\":\"Yg==\",\"mod_revision\":\"6\",\"lease\":\"7\"}},"
          + "{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yw==\",\"mod_revision\":\"8\"}}]}}\n";

  private final List<String> heard = new ArrayList<>();
  private WatchLines lines = open();

  private WatchLines open() {
    return new WatchLines(
        _ -> {},
        (revision, changes) -> {
          heard.add(revision + ":" + changes.size());
          changes.forEach(c ->
              heard.add(
                  (c.deleted() ? "-" : "+")
                      + c.key().key()
                      + new String(c.key().value(), StandardCharsets.UTF_8)
                      + c.key().lease()));
        });
  }

  private void piece(String text) throws Exception {
    lines.piece(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void linesAreReadHoweverTheyAreCut() throws Exception {
    lines.head(200, Headers.NONE);
    String all = CREATED + EVENTS;
    for (int size : new int[] {1, 7, all.length()}) {
      heard.clear();
      for (int at = 0; at < all.length(); at += size) {
        piece(all.substring(at, Math.min(all.length(), at + size)));
      }
      assertThat(heard).containsExactly("0:0", "8:2", "+ab7", "-c0");
    }
  }

  /// What a stream of its own ends with when it says this.
  private Kind ending(String line) {
    lines = open();
    lines.head(200, Headers.NONE);
    EtcdFailure e = catchThrowableOfType(EtcdFailure.class, () -> piece(line + "\n"));
    return e.kind();
  }

  @Test
  void whyAWatchEndsIsToldApart() {
    assertThat(ending("{\"result\":{\"canceled\":true,\"compact_revision\":\"12\"}}"))
        .isEqualTo(Kind.COMPACTED);
    assertThat(
            ending("{\"result\":{\"canceled\":true,\"cancel_reason\":\"etcdserver: no leader\"}}"))
        .isEqualTo(Kind.AWAY);
    assertThat(ending("{\"error\":{\"grpc_code\":14,\"message\":\"transport is closing\"}}"))
        .isEqualTo(Kind.AWAY);
    assertThat(ending("{\"error\":{\"grpc_code\":16,\"message\":\"invalid auth token\"}}"))
        .isEqualTo(Kind.CREDENTIALS);
  }

  @Test
  void aServerThatIsNoEtcdIsNamedSo() {
    lines.head(404, Headers.NONE);
    assertThatThrownBy(() -> piece("not found"))
        .isInstanceOfSatisfying(
            EtcdFailure.class, e -> assertThat(e.kind()).isEqualTo(Kind.ANOTHER));
  }
}
