package org.infinilm.svc.router;

import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.infinilm.svc.router.Decisions.Said;
import org.jspecify.annotations.Nullable;

/// One request in hand, whoever carries its bytes: its parts, and its one end. It never blocks and
/// lives on one event loop.
abstract class InHand extends Flights.Seen
    implements Attempt.Owner, Placement.Owner, InboundEvents {
  final Plane plane;
  final Account account;
  final Question question;
  final Retries retries;
  final Placement placement;
  final Sending sending;

  @Nullable Candidates candidates;
  @Nullable Attempt attempt;
  private boolean settled;

  /// @param body what instances get instead of the client's own, or null
  InHand(Plane plane, Inbound in, Account account, Question question, @Nullable Rewritten body) {
    this.plane = plane;
    this.account = account;
    this.question = question;
    this.retries = new Retries(plane, account);
    this.placement = new Placement(plane, in, account, question, this);
    this.sending = new Sending(plane, in, question, account, body);
  }

  /// What the client has or will have of an instance's answer, or null.
  abstract @Nullable Answer answer();

  /// Tells the client, and settles it unless it is settled.
  abstract void end(ApiError e);

  /// Gives back what it still holds, when it is settled.
  void release() {}

  @Override
  public final void woken(String name) {
    retries.woken(name);
  }

  @Override
  public final void saw(Sight sight) {
    retries.saw(current().instance(), sight, question.part());
  }

  @Override
  public final void gone() {
    letGo();
    Answer a = answer();
    if (a != null && a.doneRelayed()) {
      settle(Outcome.ofStatus(a.status()), a.status(), null, () -> {});
    } else {
      settle(Outcome.CLIENT_GONE, 499, null, () -> {});
    }
  }

  @Override
  public final void shutdown() {
    stop(ApiError.shuttingDown());
  }

  @Override
  public final void fault() {
    stop(ApiError.internal());
  }

  /// Ends it from our side, wherever it stands.
  final void stop(ApiError e) {
    if (!settled) {
      letGo();
      end(e);
    }
  }

  /// Nobody works on it any more.
  private void letGo() {
    placement.leave();
    Attempt a = attempt;
    if (a != null) {
      a.giveUp();
    }
  }

  /// The one end of every request.
  ///
  /// @param said what the client is told in place of an answer, or null
  /// @param last what the client still gets: it may ask for the decision as soon as it has it
  final void settle(Outcome outcome, int status, @Nullable Said said, Runnable last) {
    if (settled) {
      return;
    }
    settled = true;
    plane.flights().leave(this);
    Answer a = answer();
    try {
      account.close(
          outcome,
          status,
          said,
          question,
          candidates,
          retries.tried(),
          placement.avoided(),
          attempt,
          a);
      last.run();
    } finally {
      release();
      sending.end();
      if (a != null) {
        a.tap().close();
      }
    }
  }

  @Override
  final Flights.Flight flight() {
    return Flights.Flight.of(account, question, attempt, answer());
  }

  final Fleet fleet() {
    return plane.table().get().fleet();
  }

  final Attempt current() {
    Attempt a = attempt;
    if (a == null) {
      throw new IllegalStateException("no attempt yet");
    }
    return a;
  }
}
