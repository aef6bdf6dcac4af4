package org.infinilm.svc.router;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
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

    /// Its candidates changed.
    void chooseAgain();

    void waitedTooLong(Choice.Wait wait);
  }

  private final Seats seats;
  private final Inbound in;
  private final Owner owner;
  private final Choice.Wait wait;
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
  /// @param sinceNanos when the request began to wait
  boolean start(Candidates of, long work, long sinceNanos, Duration atMost) {
    Seats.Ticket t = seats.await(of, wait, (double) work, sinceNanos, this);
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

  /// Whose seats it waits for.
  List<Instance> accepted() {
    return wait.accepted();
  }

  /// Runs `look` after a while, if it still waits then; one at a time.
  void later(Duration after, Runnable look) {
    if (!over) {
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
  public void chooseAgain() {
    in.execute(() -> {
      if (!over) {
        end();
        owner.chooseAgain();
      }
    });
  }
}
