package org.infinilm.svc.registry;

import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Whether etcd has room for signs of life: without it none is taken, and none comes back by the
/// watch. [#answered] is for one thread, [#isFull] for any.
final class EtcdRoom {
  private static final Logger log = LoggerFactory.getLogger(EtcdRoom.class);

  private final EtcdAddress etcd;
  private final Runnable changed;
  private volatile boolean full;

  /// @param changed hears that the room is gone, and that it is back
  EtcdRoom(EtcdAddress etcd, Runnable changed) {
    this.etcd = etcd;
    this.changed = changed;
  }

  boolean isFull() {
    return full;
  }

  /// What etcd said to a sign of life. One that it did not answer tells nothing of room.
  ///
  /// @param e null when it was taken
  void answered(@Nullable EtcdFailure e) {
    if (e == null) {
      if (full) {
        log.info("{} has room again", etcd);
        full = false;
        changed.run();
      }
    } else if (e.kind() != Kind.FULL) {
      log.debug("pulse: {}", e.getMessage());
    } else if (!full) {
      log.warn(
          "{}; until it has room nothing is written or heard there, the table stays as it is, and no lease runs",
          e.getMessage());
      full = true;
      changed.run();
    }
  }
}
