package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.etcd.KeyValue;

/// Reads what is ours below the prefix of a deployment, whatever stands beside it, and in whatever
/// pieces it comes in time.
final class EtcdListing {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /// A page that does not come within this is asked for in smaller ones.
  private static final Duration PAGE_PATIENCE = Duration.ofSeconds(2);

  /// The first page: entries may be of any size.
  private static final int PAGE = 50;

  /// The next ones have as many keys as come to so much by those that came.
  private static final long PAGE_BYTES = 512 << 10;

  private static final int MOST_KEYS = 500;
  private static final int SMALLER = 8;

  /// All keys at one revision.
  ///
  /// @param cluster whose they are
  record All(String cluster, long revision, List<KeyValue> keys) {
    All {
      keys = List.copyOf(keys);
    }
  }

  private final Etcd etcd;
  private final List<KeyValue> found = new ArrayList<>();
  private String cluster = "";
  private long revision;

  private EtcdListing(Etcd etcd) {
    this.etcd = etcd;
  }

  /// @throws EtcdFailure of kind [Kind#COMPACTED] when the revision is forgotten meanwhile
  static All read(Etcd etcd, EtcdKeys keys) throws EtcdFailure, InterruptedException {
    EtcdListing l = new EtcdListing(etcd);
    for (EtcdKeys.Kind kind : EtcdKeys.Kind.values()) {
      if (kind != EtcdKeys.Kind.OTHER) {
        l.folder(keys.folder(kind));
      }
    }
    return new All(l.cluster, l.revision, l.found);
  }

  private void folder(String folder) throws EtcdFailure, InterruptedException {
    String from = folder;
    int limit = PAGE;
    int most = PAGE;
    boolean sized = false;
    while (true) {
      Etcd.Page page;
      try {
        page = etcd.list(folder, from, revision, limit, limit > 1 ? PAGE_PATIENCE : PATIENCE);
      } catch (EtcdFailure e) {
        if (e.kind() != Kind.AWAY) {
          throw e;
        }
        if (limit == 1) {
          throw new EtcdFailure(Kind.AWAY, e.getMessage() + " (reading the key from " + from + ")");
        }
        most = limit / 2;
        limit = Math.max(1, limit / SMALLER);
        continue;
      }
      if (revision == 0) {
        revision = page.revision();
        cluster = page.cluster();
      } else if (!page.cluster().equals(cluster)) {
        throw new EtcdFailure(Kind.COMPACTED, "etcd was made anew while it was read");
      }
      found.addAll(page.keys());
      if (!page.more() || page.keys().isEmpty()) {
        return;
      }
      from = page.keys().getLast().key() + "\0";
      if (!sized && limit == PAGE) {
        sized = true;
        most = keysOfAPage(page.keys());
        limit = most;
      } else {
        limit = Math.min(most, 2 * limit);
      }
    }
  }

  /// How many keys like these a page may have: no fewer than the first one.
  static int keysOfAPage(List<KeyValue> like) {
    long bytes = 0;
    for (KeyValue kv : like) {
      bytes += kv.key().length() + kv.value().length;
    }
    return Math.clamp(PAGE_BYTES * like.size() / Math.max(1, bytes), PAGE, MOST_KEYS);
  }
}
