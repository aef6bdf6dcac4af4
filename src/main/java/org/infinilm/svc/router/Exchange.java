package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.util.List;
import java.util.Locale;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Said;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One request in flight, from its complete body to its one outcome. It never blocks and lives on
/// one event loop.
/*
 * The stages, in order, each one method:
 *
 *   read      what the body says (Reading, Questions), before there is one   -> choose | end
 *   choose    who may take it in the fleet of now (Retries), then the policy
 *             and a seat, at once or after a wait in line, for who sleeps
 *             too (Placement)                                                -> placed | end
 *   placed    an attempt, counted in                                         -> send
 *   send      connect or reuse, write (Sending, Attempt)                     -> answered | failed
 *   answered  leave who is busy for another (Leaving), or hold the head until
 *             the first byte of its body (Reply)                             -> body | placed
 *   body      pass slices through, watching them (Answer)                    -> ended | failed
 *   failed    note what failed, leave that instance out                      -> choose | end
 *   settle    count out, metrics, decision, facts (Account): once, whatever happened
 *
 * Another attempt is made only while the client has nothing of an answer; Retries says when.
 */
final class Exchange extends InHand {
  private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);

  private enum Stage {
    CHOOSE,
    SEND,
    ELSEWHERE
  }

  private final Inbound in;
  private final Reply reply;
  private final Leaving leaving;
  private Stage stage = Stage.CHOOSE;

  private Exchange(
      Plane plane, Inbound in, Account account, Question question, @Nullable Rewritten body) {
    super(plane, in, account, question, body);
    this.in = in;
    this.reply = new Reply(plane, in, account, question);
    this.leaving = new Leaving(plane, question, retries, placement, reply);
    if (plane.config().sseComments().isPresent()) {
      reply.tells(placement::progress);
    }
  }

  /// Takes over a request that [Reading] has read, on its event loop.
  ///
  /// @param body what instances get instead of the client's own, or null
  static void start(
      Plane plane, Inbound in, Account account, Question question, @Nullable Rewritten body) {
    plane.retryBudgets().of(question.model()).request();
    Exchange x = new Exchange(plane, in, account, question, body);
    in.events(x);
    plane.flights().enter(x, in.loop());
    x.advance();
  }

  /// Goes on until the next event is somebody else's: an instance's, the line's, the client's.
  private void advance() {
    try {
      while (true) {
        switch (stage) {
          case CHOOSE -> choose();
          case SEND -> send(current());
          case ELSEWHERE -> {
            return;
          }
        }
      }
    } catch (RuntimeException e) {
      LOG.error("request {} failed", account.requestId(), e);
      stop(ApiError.internal());
    }
  }

  private void choose() {
    Candidates left = retries.candidates(question, fleet());
    if (candidates == null) {
      candidates = left;
    }
    stage = Stage.ELSEWHERE;
    if (placement.holds(left)) {
      return;
    }
    if (left.isEmpty()) {
      noPlace(placement.nobody());
    } else {
      Choice c = placement.choose(left);
      Candidates more = c instanceof Choice.Wait ? retries.awaited(left, question, fleet()) : left;
      placement.follow(more == left ? c : placement.choose(more), more);
    }
  }

  @Override
  public Candidates awaited() {
    return retries.awaited(retries.candidates(question, fleet()), question, fleet());
  }

  @Override
  public List<Instance> sleepers() {
    return retries.sleepers(question, fleet());
  }

  @Override
  public void chooseAgain() {
    stage = Stage.CHOOSE;
    advance();
  }

  @Override
  public void noPlace(ApiError why) {
    end(retries.firstCause(why, question, fleet()));
  }

  @Override
  public void placed(Choice.Send s) {
    Instance i = s.instance();
    Target target = plane.table().get().target(i);
    if (target == null) {
      // it left between the table that was chosen from and this one
      placement.giveBack(s);
      retries.left(i);
      stage = Stage.CHOOSE;
    } else {
      Reason why = retries.any() ? Reason.RETRY : s.why();
      attempt =
          new Attempt(
              plane, this, question, s, target, why, question.replayable(), retries.suspicious());
      stage = Stage.SEND;
    }
    advance();
  }

  private void send(Attempt a) {
    stage = Stage.ELSEWHERE;
    account.sent();
    sending.send(a, retries.limits(question.bodyBytes()));
  }

  @Override
  public void interim(ResponseHead head) {
    reply.interim(head);
  }

  @Override
  public void answered(ResponseHead head) {
    if (!leaving.putsAside(current(), head)) {
      reply.hold(head);
    }
  }

  @Override
  public void body(ByteBuf slice) {
    Refusal held = reply.refusal();
    if (held == null) {
      relay(slice);
    } else if (held.add(slice)) {
      leftAfterRefusal();
    }
  }

  private void relay(ByteBuf slice) {
    Answer a = reply.relayed(current());
    a.slice(slice, current().flight(), plane.ticker());
    if (!in.isWritable()) {
      in.flush();
      if (!in.isWritable()) {
        current().reading(false);
      }
    }
  }

  /// A gathered answer has said what it is: the instance is left for it, or it is relayed.
  private boolean leftAfterRefusal() {
    Refusal held = reply.takeRefusal();
    if (held == null) {
      return false;
    }
    boolean left = leaving.afterRefusal(current(), held);
    if (left || !held.body().isReadable()) {
      held.release();
    } else {
      relay(held.body());
    }
    return left;
  }

  @Override
  public void pause() {
    Answer a = reply.answer();
    if (a != null && a.begun()) {
      a.flush();
    }
  }

  @Override
  public boolean isWhole(boolean byClose) {
    return !byClose || !reply.cutByClose();
  }

  @Override
  public void ended() {
    if (leftAfterRefusal()) {
      return;
    }
    Answer a = reply.relayed(current());
    settle(Outcome.ofStatus(a.status()), a.status(), null, a::end);
  }

  @Override
  public void failed(Failure f) {
    Attempt a = current();
    if (reply.hasBody()) {
      a.countOut();
      end(ApiError.of(f, a.instance().name()));
      return;
    }
    reply.drop();
    if (a.anotherWay(f) && retries.anotherWay(f)) {
      Attempt next = a.overNewConnection();
      attempt = next;
      sending.send(next, retries.limits(question.bodyBytes()));
      return;
    }
    a.countOut();
    retries.failed(a.instance(), f, a.hasOtherAddress() && !f.kind().nothingSent());
    if (retries.mayRepeat(question, f)) {
      plane.metrics().retry(f.kind().name().toLowerCase(Locale.ROOT));
      chooseAgain();
    } else {
      noPlace(ApiError.of(f, a.instance().name()));
    }
  }

  @Override
  public void writable(boolean on) {
    Attempt a = attempt;
    Answer to = reply.answer();
    if (a != null && to != null && to.begun()) {
      a.reading(on);
      to.noteDone();
    }
  }

  @Override
  @Nullable Answer answer() {
    return reply.answer();
  }

  @Override
  void end(ApiError e) {
    settle(e.outcome(), reply.status(e), Said.of(e, null), () -> reply.fail(e));
  }

  @Override
  void release() {
    reply.end();
  }
}
