package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.router.Troubles.Turn;

/// What is on offer for one part of the requests, with which some instance is in trouble.
///
/// @param repeatable whether the request may be sent again when it fails
record PartOffer(Seats seats, Troubles troubles, Part part, boolean repeatable) implements Offer {
  private Turn turn(int slot) {
    return troubles.turn(slot, part, repeatable);
  }

  @Override
  public boolean passedOver(int slot) {
    return seats.passedOver(slot) || turn(slot) == Turn.LEFT_ALONE;
  }

  @Override
  public boolean askedLast(int slot) {
    return turn(slot) == Turn.LAST;
  }

  @Override
  public boolean othersFirst(int slot) {
    return seats.passedOver(slot) || isForPart(slot);
  }

  @Override
  public boolean isForPart(int slot) {
    return turn(slot) != Turn.AS_OTHERS;
  }

  @Override
  public long passedOverNanos(int slot) {
    return Math.max(
        seats.passedOverNanos(slot), troubles.leftAloneNanos(slot, part, repeatable));
  }

  @Override
  public int inFlight(int slot) {
    return seats.inFlight(slot);
  }

  @Override
  public boolean free(int slot) {
    return seats.free(slot);
  }

  @Override
  public double share(int slot) {
    return seats.share(slot);
  }

  @Override
  public List<? extends Flight> flights(int slot) {
    return seats.flights(slot);
  }

  @Override
  public long nowNanos() {
    return seats.nowNanos();
  }
}
