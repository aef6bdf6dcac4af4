package org.infinilm.svc.registry;

import java.util.Set;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Whether etcd takes signs of life: without room it takes nobody's, and a registry's none whose
/// user may not write. What is not taken comes to no other registry. [#answered] is for one thread,
/// all else for any.
final class EtcdRoom {
  private static final Logger log = LoggerFactory.getLogger(EtcdRoom.class);

  private final EtcdAddress etcd;
  private final Set<Kind> refusals;
  private final Runnable changed;

  /// Null while signs of life are taken.
  private volatile @Nullable Kind refused;

  /// What etcd said to the last sign of life, where it answered and it is nothing of the above.
  private volatile @Nullable String said;

  /// @param follows whether nobody has to hear us, but for other routers
  /// @param changed hears that they are not taken, and that they are again
  EtcdRoom(EtcdAddress etcd, boolean follows, Runnable changed) {
    this.etcd = etcd;
    this.refusals = follows ? Set.of(Kind.FULL) : Set.of(Kind.FULL, Kind.DENIED, Kind.CREDENTIALS);
    this.changed = changed;
  }

  boolean takesNone() {
    return refused != null;
  }

  /// Who gives a sign of life goes to another registry where only ours are not taken.
  ///
  /// @throws EtcdFailure where our user may not write
  void requireWriting() throws EtcdFailure {
    Kind k = refused;
    if (k != null && k != Kind.FULL) {
      throw new EtcdFailure(k, words(k));
    }
  }

  /// What is wrong; null for nothing.
  @Nullable String ails() {
    Kind k = refused;
    return k == null ? null : words(k);
  }

  /// Why signs of life do not come back, where etcd said so; null where it said nothing.
  @Nullable String said() {
    return said;
  }

  private String words(Kind why) {
    return switch (why) {
      case FULL -> etcd + ": no room there; nothing is written or heard until it has some";
      default -> etcd + " refuses our user, or what it writes; no other registry hears who lives";
    };
  }

  /// What etcd said to a sign of life. One that it did not answer tells nothing.
  ///
  /// @param e null when it was taken
  void answered(@Nullable EtcdFailure e) {
    Kind before = refused;
    if (e == null) {
      said = null;
      if (before != null) {
        log.info(before == Kind.FULL ? "{} has room again" : "{} takes what we write again", etcd);
        become(null);
      }
    } else if (!refusals.contains(e.kind()) || e.kind() == before) {
      if (e.kind() == Kind.OTHER || e.kind() == Kind.ANOTHER) {
        if (said == null) {
          log.warn("a sign of life is not taken: {}", e.getMessage());
        }
        said = e.getMessage();
      } else {
        log.debug("pulse: {}", e.getMessage());
      }
    } else {
      if (before == null || e.kind() == Kind.FULL || before == Kind.FULL) {
        log.warn(
            e.kind() == Kind.FULL
                ? "{}; until it has room nothing is written or heard there, the table stays as it is, and no lease runs"
                : "{}; until what we write is taken no other registry hears who lives, the table stays as it is, and no lease runs",
            e.getMessage());
      }
      become(e.kind());
    }
  }

  private void become(@Nullable Kind now) {
    boolean edge = (now == null) != (refused == null);
    refused = now;
    if (edge) {
      changed.run();
    }
  }
}
