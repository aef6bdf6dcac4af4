package org.infinilm.svc.registry;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
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
  private static final int TRIES = 8;

  /// A page that has more is asked for in smaller ones: an answer lies in memory several times over
  /// while it is read.
  private static final int MOST_PAGE_BYTES = 4 << 20;

  /// Of a page of one key.
  static final int MOST_VALUE_BYTES = 16 << 20;

  /// Values up to this are kept as they are until all is read; whether larger ones are ours is
  /// looked at when they come.
  private static final int SMALL_BYTES = 4 << 10;

  /// All keys at one revision.
  ///
  /// @param cluster whose they are
  record All(String cluster, long revision, List<KeyValue> keys) {
    All {
      keys = List.copyOf(keys);
    }
  }

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final List<KeyValue> found = new ArrayList<>();
  private String cluster = "";
  private long revision;

  /// Of large notes: a board takes no more than so many.
  private long noteBytes;

  private EtcdListing(Etcd etcd, EtcdKeys keys) {
    this.etcd = etcd;
    this.keys = keys;
  }

  /// Reads anew what is compacted meanwhile.
  ///
  /// @throws EtcdFailure of kind [Kind#COMPACTED] when that goes on
  static All read(Etcd etcd, EtcdKeys keys) throws EtcdFailure, InterruptedException {
    for (int tries = 1; ; tries++) {
      try {
        return once(etcd, keys);
      } catch (EtcdFailure e) {
        if (e.kind() != Kind.COMPACTED || tries == TRIES) {
          throw e;
        }
      }
    }
  }

  /// For the first of a deployment: whose is there already stays.
  static void requireNobodyInside(Etcd etcd, EtcdKeys keys)
      throws EtcdFailure, InterruptedException {
    for (KeyValue kv : read(etcd, keys).keys()) {
      if (kv.key().endsWith("/settings") && EtcdKeys.isAgreed(kv.value())) {
        throw new EtcdFailure(
            Kind.OTHER,
            etcd.address()
                + ": the deployment of key "
                + kv.key()
                + " is inside (expected: beside it)");
      }
    }
  }

  private static All once(Etcd etcd, EtcdKeys keys) throws EtcdFailure, InterruptedException {
    EtcdListing l = new EtcdListing(etcd, keys);
    for (EtcdKeys.Kind kind : EtcdKeys.Kind.values()) {
      if (kind != EtcdKeys.Kind.OTHER) {
        l.folder(keys.folder(kind));
      }
    }
    return new All(l.cluster, l.revision, l.found);
  }

  private void folder(String folder) throws EtcdFailure, InterruptedException {
    byte[] from = folder.getBytes(UTF_8);
    int limit = PAGE;
    int most = PAGE;
    boolean sized = false;
    while (true) {
      Etcd.Page page;
      try {
        page =
            limit > 1
                ? etcd.list(folder, from, revision, limit, MOST_PAGE_BYTES, PAGE_PATIENCE)
                : etcd.list(folder, from, revision, limit, MOST_VALUE_BYTES, PATIENCE);
      } catch (EtcdFailure e) {
        if (e.kind() != Kind.AWAY && e.kind() != Kind.TOO_LARGE) {
          throw e;
        }
        if (limit == 1) {
          throw new EtcdFailure(
              e.kind(), e.getMessage() + " (reading the key from " + new String(from, UTF_8) + ")");
        }
        most = Math.max(1, limit / 2);
        limit = Math.max(1, limit / SMALLER);
        continue;
      }
      if (revision == 0) {
        revision = page.revision();
        cluster = page.cluster();
      } else if (!page.cluster().equals(cluster)) {
        throw new EtcdFailure(Kind.COMPACTED, "etcd was made anew while it was read");
      }
      page.keys().forEach(kv -> found.add(kept(kv)));
      if (page.next().length == 0) {
        return;
      }
      if (Arrays.compareUnsigned(page.next(), from) <= 0) {
        throw new EtcdFailure(
            Kind.OTHER, "etcd: keys behind " + new String(from, UTF_8) + " come out of order");
      }
      from = page.next();
      if (!sized && limit == PAGE) {
        sized = true;
        most = keysOfAPage(page.keys());
        limit = most;
      } else {
        // what was too large may be behind
        most = Math.max(most, Math.min(keysOfAPage(page.keys()), 2 * most));
        limit = Math.min(most, 2 * limit);
      }
    }
  }

  /// Without its value where that is large and nothing of ours: it is named by whoever reads it.
  private KeyValue kept(KeyValue kv) {
    return kv.value().length <= SMALL_BYTES || isOurs(kv)
        ? kv
        : new KeyValue(kv.key(), new byte[0], kv.revision(), kv.lease());
  }

  private boolean isOurs(KeyValue kv) {
    EtcdKeys.Named n = keys.named(kv.key());
    try {
      return switch (n.kind()) {
        case ENTRY -> {
          EtcdKeys.stored(n.name(), kv.value());
          yield kv.lease() != 0;
        }
        case REGISTRY, HEARD -> kv.lease() != 0 && !EtcdKeys.heard(kv.value()).isEmpty();
        case ROUTER -> {
          noteBytes += kv.value().length;
          yield kv.lease() != 0
              && kv.value().length <= Notes.MOST_BYTES
              && noteBytes <= Notes.MOST_BYTES_IN_ALL;
        }
        case GONE, OTHER -> false;
      };
    } catch (EtcdKeys.NoSuchThing e) {
      return false;
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
