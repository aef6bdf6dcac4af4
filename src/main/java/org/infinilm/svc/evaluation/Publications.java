package org.infinilm.svc.evaluation;

import java.util.List;
import org.infinilm.svc.simulator.LeapCore;
import org.infinilm.svc.simulator.LeapSettings;

/// What routers tell each other, and what instances tell them: once a second each, one router after
/// the other, at once everywhere. For one thread.
final class Publications {
  private static final double EVERY_NANOS = 1e9;

  private final List<OneRouter> routers;
  private final LeapCore[] cores;
  private final List<Node> nodes;
  private final Sharing sharing;
  private final int[][] told;
  private int turn;

  Publications(List<OneRouter> routers, LeapCore[] cores, List<Node> nodes, Sharing sharing) {
    this.routers = routers;
    this.cores = cores;
    this.nodes = nodes;
    this.sharing = routers.size() == 1 ? Sharing.NONE : sharing;
    this.told = new int[routers.size()][nodes.size()];
    if (this.sharing.atLeast(Sharing.NUMBER)) {
      for (int k = 0; k < routers.size(); k++) {
        for (int slot = 0; slot < nodes.size(); slot++) {
          share(k, slot, 0, nodes.get(slot).seats());
        }
      }
    }
  }

  /// When the next one is due.
  double nextNanos() {
    return sharing.atLeast(Sharing.GAUGES)
        ? (turn + 1) * EVERY_NANOS / routers.size()
        : Double.POSITIVE_INFINITY;
  }

  /// One router's turn.
  void publish() {
    int k = turn % routers.size();
    if (sharing.atLeast(Sharing.SIBLINGS)) {
      tell(k);
    } else {
      read(k, turn / routers.size());
    }
    turn++;
  }

  private void tell(int k) {
    Ledger from = routers.get(k).ledger();
    for (int slot = 0; slot < nodes.size(); slot++) {
      told[k][slot] = from.own(slot);
      boolean one = nodes.get(slot).engine().kind() == LeapSettings.Kind.STATIC;
      int all = 0;
      for (int r = 0; r < routers.size(); r++) {
        all += told[r][slot];
      }
      for (int r = 0; r < routers.size(); r++) {
        Ledger to = routers.get(r).ledger();
        int others = all - told[r][slot];
        int running = one ? Math.min(1, others) : others;
        to.hear(slot, running, others - running);
        share(r, slot, to.own(slot), to.heard(slot));
      }
    }
  }

  private void read(int k, int nth) {
    Ledger to = routers.get(k).ledger();
    for (int slot = 0; slot < nodes.size(); slot++) {
      LeapSettings.Kind kind = nodes.get(slot).engine().kind();
      if (kind != LeapSettings.Kind.CHUNKED && kind != LeapSettings.Kind.SLOTS) {
        continue;
      }
      int all = cores[slot].running() + cores[slot].waiting();
      int more = Math.max(0, all - to.peak(slot, nth));
      int waiting = Math.clamp(cores[slot].waiting() - to.ownWaiting(slot), 0, more);
      to.hear(slot, more - waiting, waiting);
      share(k, slot, to.own(slot), all - to.own(slot));
    }
  }

  private void share(int k, int slot, int own, int others) {
    int seats = nodes.get(slot).seats();
    if (seats > 0) {
      routers
          .get(k)
          .ledger()
          .limit(slot, SeatShare.of(seats, routers.size(), k, slot, own, Math.max(0, others)));
    }
  }
}
