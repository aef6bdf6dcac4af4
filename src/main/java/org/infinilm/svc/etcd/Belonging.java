package org.infinilm.svc.etcd;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Which cluster is ours: that of the member which answered first. All have to be of it, also after
/// a restart of one of them. Only when most of those that were of it say that they are of one
/// other, and have said so for a while, it was made anew (restored from a snapshot, or emptied),
/// and that one is ours: an address that leads elsewhere for a moment is believed nothing.
/// Thread-safe.
final class Belonging {
  private static final Logger log = LoggerFactory.getLogger(Belonging.class);

  /// For how long they have to say so.
  static final Duration LASTS = Duration.ofSeconds(10);

  private final Ticker ticker;
  private String ours = "";
  private String first = "";

  /// Members that have said to be of ours.
  private final Set<String> members = new HashSet<>();

  /// What each said last.
  private final Map<String, String> said = new HashMap<>();

  /// Another cluster that most say to be of, and since when.
  private String claimed = "";

  private long claimedNanos;

  Belonging(Ticker ticker) {
    this.ticker = ticker;
  }

  /// A member said of which cluster it is.
  ///
  /// @return what is wrong with that; null for nothing
  synchronized @Nullable String said(String member, String cluster) {
    if (ours.isEmpty()) {
      ours = cluster;
      first = member;
    }
    said.put(member, cluster);
    if (isMadeAnew(cluster)) {
      log.warn("etcd {} was made anew: cluster {}, before {}", member, hex(cluster), hex(ours));
      ours = cluster;
      first = member;
      members.removeIf(m -> !cluster.equals(said.get(m)));
    }
    if (!cluster.equals(ours)) {
      return "cluster "
          + hex(cluster)
          + " (expected: "
          + hex(ours)
          + ", that of "
          + first
          + "; where etcd was made anew, most of its members have to say so for "
          + LASTS.toSeconds()
          + " s)";
    }
    members.add(member);
    return null;
  }

  private boolean isMadeAnew(String as) {
    if (!isOfMost(claimed)) {
      claimed = "";
    }
    if (as.equals(ours) || !isOfMost(as)) {
      return false;
    }
    if (!as.equals(claimed)) {
      claimed = as;
      claimedNanos = ticker.nanos();
    }
    return ticker.nanos() - claimedNanos >= LASTS.toNanos();
  }

  private boolean isOfMost(String cluster) {
    long now = members.stream().filter(m -> cluster.equals(said.get(m))).count();
    return 2 * now > members.size();
  }

  private static String hex(String id) {
    try {
      return Long.toHexString(Long.parseUnsignedLong(id));
    } catch (NumberFormatException e) {
      return EtcdFailure.shortened(id);
    }
  }
}
