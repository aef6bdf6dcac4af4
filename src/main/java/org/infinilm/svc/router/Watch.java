package org.infinilm.svc.router;

import java.util.function.Consumer;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.router.Troubles.How;

/// Takes what exchanges see of instances: counts it, and tells the keeper of the fleet what may
/// change an instance's state. Thread-safe; never blocks.
/*
 * An answer of an instance that nothing is wrong with costs two additions and two reads. A 5xx, a
 * close and a broken answer may be the request's fault: they are counted, and become a strike when a
 * peer answers the same request (DISPROVED). Those of a request on which another has failed before
 * are not counted, and what was counted for the first is taken back: an instance with a small share
 * of the requests gets as many of these as the others, and the home of a key gets them first; both
 * would look worse for it. What carries a session's key counts once a window and key: all of it comes
 * to one instance, whatever is wrong or slow with it.
 */
final class Watch implements Plane.InstanceWatch {
  private static final long BUSY_NANOS = 1_000_000_000L;
  private static final long MOST_BUSY_NANOS = 60_000_000_000L;

  private final Slots slots;
  private final Seats seats;
  private final FleetKeeper keeper;
  private final Troubles troubles;
  private final Consumer<String> outdatedList;

  /// @param outdatedList hears the name of an instance whose model list is not what it was
  Watch(
      Slots slots,
      Seats seats,
      FleetKeeper keeper,
      Troubles troubles,
      Consumer<String> outdatedList) {
    this.outdatedList = outdatedList;
    this.slots = slots;
    this.seats = seats;
    this.keeper = keeper;
    this.troubles = troubles;
  }

  @Override
  public void saw(Instance i, Sight sight, Part part) {
    Slot s = slots.at(i.slot());
    switch (sight) {
      case ANSWERED, DECLINED -> {
        if (sight == Sight.ANSWERED) {
          s.good(part.key());
          answered(i, part, false);
        }
        if (s.failuresInARow() != 0) {
          s.succeeded();
          keeper.saw(i, sight);
        } else if (s.doubted) {
          keeper.saw(i, sight);
        }
      }
      case SERVER_ERROR, CLOSED, BROKE, BAD_ANSWER -> {
        s.bad(part.key());
        s.failed();
        failed(i, part, sight == Sight.BROKE ? How.BREAKS : How.FAILS);
        keeper.mayHaveOutliers();
        if (s.doubted) {
          keeper.saw(i, sight);
        }
      }
      case FAILED_AGAIN -> {
        s.failed();
        failed(i, part, How.FAILS);
      }
      case SHARED -> {
        // the failures of a key count once, which need not have been this one
        if (part.key() == 0) {
          s.notBad();
        }
        if (s.doubted) {
          keeper.saw(i, sight);
        }
      }
      case REFUSED, UNREACHABLE -> {
        s.bad(0);
        s.failed();
        keeper.saw(i, sight);
      }
      case DISPROVED -> keeper.saw(i, sight);
      case HUNG -> {
        failed(i, part, How.HANGS);
        keeper.saw(i, Sight.DISPROVED);
      }
      case BUSY -> passOver(i, BUSY_NANOS, part);
    }
  }

  @Override
  public void firstByte(Instance i, long nanos, long bytes, Part part) {
    slots.at(i.slot()).firstByteAfter(nanos, Outliers.work(bytes), part.key());
    if (nanos >= Outliers.LEAST_SLOW_NANOS) {
      keeper.mayHaveOutliers();
    }
  }

  @Override
  public void lacksModel(Instance i) {
    outdatedList.accept(i.name());
  }

  @Override
  public void busy(Instance i, long nanos, Part part) {
    passOver(i, Math.clamp(nanos, BUSY_NANOS, MOST_BUSY_NANOS), part);
  }

  /// One model's line may be full, or its quota spent, while the others are served; and so with
  /// what is no prompt: embeddings, files.
  private void passOver(Instance i, long nanos, Part part) {
    if (part.isOneOf(i.models().size())) {
      troubles.pause(i, part, nanos);
      Offer offer = offer(part, true);
      seats.callAway(i.slot(), part.model() == null ? "" : part.model(), offer::passedOver);
    } else {
      seats.passOver(i.slot(), nanos);
    }
  }

  @Override
  public int failuresInARow(Instance i, Part part) {
    return Math.max(slots.at(i.slot()).failuresInARow(), troubles.failuresInARow(i, part));
  }

  /// Those who wait may stand for it, and not want to, or the other way round.
  private void failed(Instance i, Part part, How how) {
    if (troubles.failed(i, part, how)) {
      lookAgain(part);
    }
  }

  private void answered(Instance i, Part part, boolean whole) {
    if (troubles.answered(i, part, whole)) {
      lookAgain(part);
    }
  }

  private void lookAgain(Part part) {
    seats.lookAgain(part.model() == null ? "" : part.model());
  }

  @Override
  public void goes(Instance i, Part part, boolean repeatable) {
    troubles.goes(i, part, repeatable);
  }

  @Override
  public void takesBack(Instance i, Part part) {
    slots.at(i.slot()).notGood(part.key());
  }

  @Override
  public void lacksRoute(Instance i, Part part) {
    troubles.lacksRoute(i, part);
  }

  @Override
  public void answeredWhole(Instance i, Part part) {
    answered(i, part, true);
  }

  @Override
  public Offer offer(Part part, boolean repeatable) {
    Troubles.View of = troubles.view(part, repeatable);
    return of == null ? seats : new PartOffer(seats, of);
  }
}
