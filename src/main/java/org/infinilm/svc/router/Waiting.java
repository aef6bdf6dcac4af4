package org.infinilm.svc.router;

import java.time.Duration;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.policy.Choice;
import org.jspecify.annotations.Nullable;

/// One request's wait for a seat. Lives on the request's event loop; a seat that comes is taken
/// over there, or given back when the request is no longer waiting.
final class Waiting implements Seats.Waiter {
  /// Hears how the wait ended, once, on the event loop.
  interface Owner {
    /// A seat is counted in.
    void seated(Choice.Send send);

    /// Its candidates changed; it stands in line still, for those of them that are left.
    void lookAgain();

    void waitedTooLong(Choice.Wait wait);
  }

  private final Seats seats;
  private final Inbound in;
  private final Owner owner;
  private Choice.Wait wait;
  private Seats.@Nullable Ticket ticket;
  private @Nullable Runnable cancelTimer;
  private @Nullable Runnable cancelLook;
  private boolean over;

  Waiting(Seats seats, Inbound in, Owner owner, Choice.Wait wait) {
    this.seats = seats;
    this.in = in;
    this.owner = owner;
    this.wait = wait;
  }

  /// Stands in line; false when it is full.
  ///
  /// @param of the candidates of the decision to wait
  /// @param work what orders the line, in bytes
  /// @param sinceNanos when the request came
  /// @param takenIn whether it has a right to a place, however long the line
  boolean start(Candidates of, long work, long sinceNanos, boolean takenIn, Duration atMost) {
    Seats.Ticket t = seats.await(of, wait, (double) work, sinceNanos, takenIn, this);
    if (t == null) {
      return false;
    }
    ticket = t;
    cancelTimer =
        in.later(
            atMost,
            () -> {
              if (!over) {
                leave();
                owner.waitedTooLong(wait);
              }
            });
    return true;
  }

  /// Waits for other seats, in the place that it has; nothing when its end is on the way.
  void move(Candidates of, Choice.Wait to) {
    Seats.Ticket t = ticket;
    Choice.Wait before = wait;
    wait = to;
    if (t == null || !t.move(of, to)) {
      wait = before;
    }
  }

  /// Runs `look` after a while, if it still waits then; one at a time.
  void later(Duration after, Runnable look) {
    if (!over) {
      cancel(cancelLook);
      cancelLook =
          in.later(
              after,
              () -> {
                if (!over) {
                  look.run();
                }
              });
    }
  }

  /// Stops waiting; false when its end is on the way, of which it hears.
  boolean leaveUnlessCalled() {
    Seats.Ticket t = ticket;
    if (t == null || !t.cancel()) {
      return false;
    }
    end();
    return true;
  }

  /// Stops waiting.
  void leave() {
    end();
    Seats.Ticket t = ticket;
    if (t != null) {
      t.cancel();
    }
  }

  private void end() {
    over = true;
    cancel(cancelTimer);
    cancel(cancelLook);
    cancelTimer = null;
    cancelLook = null;
  }

  private static void cancel(@Nullable Runnable timer) {
    if (timer != null) {
      timer.run();
    }
  }

  @Override
  public void seated(int slot) {
    in.execute(() -> {
      if (over) {
        seats.release(slot);
        return;
      }
      end();
      for (Choice.Send s : wait.ways()) {
        if (s.instance().slot() == slot) {
          owner.seated(s);
          return;
        }
      }
      throw new IllegalStateException("a seat of slot " + slot + ", which was not asked for");
    });
  }

  @Override
  public boolean isHere() {
    return in.isHere();
  }

  @Override
  public void lookAgain() {
    in.execute(() -> {
      if (!over) {
        owner.lookAgain();
      }
    });
  }
}
