package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdFailure;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Looks at every member of an etcd now and then, also at those that nobody asks as long as the
/// first answers: one that is away, no etcd, or of another cluster is named when that begins, and
/// when it ends. One thread.
final class EtcdMembers {
  private static final Logger log = LoggerFactory.getLogger(EtcdMembers.class);
  private static final Duration EVERY = Duration.ofSeconds(30);
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final Etcd etcd;

  /// What was said of whom.
  private final Map<String, EtcdFailure.Kind> told = new HashMap<>();

  EtcdMembers(Etcd etcd) {
    this.etcd = etcd;
  }

  /// Never returns.
  void run() throws InterruptedException {
    while (true) {
      if (etcd.address().members().size() > 1) {
        tell(etcd.look(PATIENCE));
      }
      Thread.sleep(EVERY);
    }
  }

  /// @param failures by member; those that are well are not in it
  private void tell(Map<String, EtcdFailure> failures) {
    failures.forEach((member, e) -> {
      if (told.put(member, e.kind()) != e.kind()) {
        log.warn("a member is of no use: {}", e.getMessage());
      }
    });
    for (String member : etcd.address().members()) {
      if (!failures.containsKey(member) && told.remove(member) != null) {
        log.info("etcd {} is of use again", member);
      }
    }
  }
}
