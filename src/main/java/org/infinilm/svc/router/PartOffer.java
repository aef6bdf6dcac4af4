package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.router.Troubles.Turn;

/// What is on offer for one part of the requests, with which some instance is in trouble.
record PartOffer(Seats seats, Troubles.View part) implements Offer {
  @Override
  public boolean passedOver(int slot) {
    return seats.passedOver(slot) || part.turn(slot) == Turn.LEFT_ALONE;
  }

  @Override
  public boolean askedLast(int slot) {
    return part.turn(slot) == Turn.LAST;
  }

  @Override
  public boolean othersFirst(int slot) {
    return seats.passedOver(slot) || isForPart(slot);
  }

  @Override
  public boolean isForPart(int slot) {
    return part.turn(slot) != Turn.AS_OTHERS;
  }

  @Override
  public boolean lacksRoute(int slot) {
    return part.lacksRoute(slot);
  }

  @Override
  public long passedOverNanos(int slot) {
    return Math.max(seats.passedOverNanos(slot), part.leftAloneNanos(slot));
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
  public double odds(int slot) {
    return seats.odds(slot);
  }

  @Override
  public List<? extends Flight> flights(int slot) {
    return seats.flights(slot);
  }

  @Override
  public int waiting(int slot) {
    return seats.waiting(slot);
  }

  @Override
  public Others others(int slot) {
    return seats.others(slot);
  }

  @Override
  public int routers() {
    return seats.routers();
  }

  @Override
  public Others siblings(int slot) {
    return seats.siblings(slot);
  }

  @Override
  public long nowNanos() {
    return seats.nowNanos();
  }
}
