package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Failure.Kind;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.ModelRewrite;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One request in flight, from its complete body to its one outcome. It never blocks and lives on
/// one event loop.
/*
 * The stages, in order, each one method:
 *
 *   read      what the body says: model, size, affinity, limits          -> choose | reject
 *   choose    who may take it in the fleet of now, then the policy       -> send | wait | reject
 *   wait      in line for a seat                                         -> send | choose | reject
 *   send      an attempt: count in, connect or reuse, write              -> await
 *   await     hold the instance's head until the first byte of its body  -> relay | again
 *   relay     pass slices through, watching them                         -> settle
 *   again     note what failed, leave that instance out                  -> choose | reject
 *   settle    count out, metrics, decision, facts: once, whatever happened
 *
 * Another attempt is made only while the client has nothing of an answer; Retries says when.
 */
final class Exchange implements Attempt.Owner, Waiting.Owner, InboundEvents {
  private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);

  private enum Stage {
    READ,
    CHOOSE,
    WAIT,
    SEND,
    AWAIT,
    RELAY,
    SETTLED
  }

  private final Plane plane;
  private final Inbound in;
  private final Account account;
  private final Retries retries;

  private Stage stage = Stage.READ;
  private @Nullable Question question;
  private @Nullable Candidates candidates;
  private @Nullable Attempt attempt;
  private @Nullable Answer answer;
  private @Nullable QuietStream quiet;
  private @Nullable Waiting waiting;

  /// The body to send when it is not the client's own.
  private @Nullable ByteBuf body;

  private boolean bodyDecoded;

  Exchange(Plane plane, Inbound in) {
    this.plane = plane;
    this.in = in;
    this.account = new Account(plane, in);
    this.retries = new Retries(plane, account);
  }

  void start() {
    in.events(this);
    plane.retryBudget().request();
    advance();
  }

  private void advance() {
    try {
      while (true) {
        switch (stage) {
          case READ -> read();
          case CHOOSE -> choose();
          case SEND -> {
            send();
            return;
          }
          case WAIT, AWAIT, RELAY, SETTLED -> {
            return;
          }
        }
      }
    } catch (RuntimeException e) {
      LOG.error("request {} failed", account.requestId(), e);
      fault();
    }
  }

  /// Ends an exchange after a fault of ours.
  private void fault() {
    leaveLine();
    Attempt a = attempt;
    if (a != null) {
      a.giveUp();
    }
    Answer begun = answer;
    if (begun != null && begun.begun()) {
      begun.breakOff(ApiError.internal());
      settle(Outcome.INTERNAL, begun.status());
    } else {
      reject(ApiError.internal());
    }
  }

  private void read() {
    if (plane.via().loops(in.head().joined("via"))) {
      reject(ApiError.loop());
      return;
    }
    switch (Questions.read(plane, in)) {
      case Question.Wrong w -> reject(w.error(), w.shape());
      case Question.Asked q -> {
        question = q.question();
        String model = q.question().model();
        if (model != null && q.question().renamed()) {
          rename(model);
        }
        Optional<Duration> pause = plane.config().sseComments();
        if (pause.isPresent() && q.question().streams()) {
          quiet = new QuietStream(in, account.requestId(), pause.get());
        }
        stage = Stage.CHOOSE;
      }
    }
  }

  /// The instance knows its model by its own name only.
  private void rename(String model) {
    RequestHead h = in.head();
    ModelRewrite.Rewritten r =
        ModelRewrite.of(in.body(), h.header("content-type"), h.joined("content-encoding"), model);
    body = r.body();
    bodyDecoded = r.decoded();
  }

  private void choose() {
    Question q = asked();
    Candidates left = retries.candidates(q, plane.table().get().fleet());
    if (candidates == null) {
      candidates = left;
    }
    if (left.isEmpty()) {
      reject(retries.firstCause(q.nobody()));
      return;
    }
    switch (choice(q, left)) {
      case Choice.Send s -> take(s);
      case Choice.Wait w -> await(w, left);
      case Choice.Refuse r ->
          reject(
              retries.firstCause(
                  ApiError.invalid(
                      "context_length_exceeded",
                      "the request needs at least "
                          + r.leastTokens()
                          + " tokens for its text alone (expected: at most "
                          + r.capacityTokens()
                          + ", the largest instance of this model)")));
    }
  }

  /// Stands in line for a seat; a request that waited before keeps its time.
  private void await(Choice.Wait w, Candidates among) {
    stage = Stage.WAIT;
    Duration left = plane.config().seating().queueTimeout().minusNanos(account.waitedNanos());
    waiting = new Waiting(plane.seats(), in, this, w);
    if (!left.isPositive()
        || !waiting.start(among, asked().bodyBytes(), account.waitsSince(), left)) {
      waiting = null;
      overloaded(w);
    }
  }

  private void overloaded(Choice.Wait w) {
    reject(
        retries.firstCause(
            ApiError.unavailable(
                "overloaded",
                "every instance that could take the request is busy",
                Long.toString(plane.seats().retryAfterSeconds(w.accepted())))));
  }

  @Override
  public void seated(Choice.Send s) {
    waiting = null;
    account.waited();
    stage = Stage.CHOOSE;
    take(s);
    advance();
  }

  @Override
  public void chooseAgain() {
    waiting = null;
    stage = Stage.CHOOSE;
    advance();
  }

  @Override
  public void waitedTooLong(Choice.Wait w) {
    waiting = null;
    account.waited();
    overloaded(w);
  }

  private void leaveLine() {
    Waiting w = waiting;
    waiting = null;
    if (w != null) {
      w.leave();
      account.waited();
    }
  }

  private Choice choice(Question q, Candidates left) {
    long before = plane.ticker().nanos();
    Choice c = plane.admission().choose(q.ask(), left, q.replayable(), ThreadLocalRandom.current());
    plane.metrics().decided(plane.ticker().nanos() - before);
    return c;
  }

  private void take(Choice.Send s) {
    Target target = plane.table().get().target(s.instance());
    if (target == null) {
      // it left between the table that was chosen from and this one
      plane.admission().giveBack(s);
      retries.failed(s.instance(), new Failure(Kind.CONNECT_REFUSED, "it left the fleet"));
      return;
    }
    Reason why = retries.any() ? Reason.RETRY : s.why();
    attempt = new Attempt(plane, this, s.instance(), target, s.pool(), why, asked().replayable());
    stage = Stage.SEND;
  }

  private void send() {
    Attempt a = current();
    stage = Stage.AWAIT;
    account.sent();
    dispatch(a);
  }

  private void dispatch(Attempt a) {
    List<Header> set = new ArrayList<>(5);
    List<String> dropped = new ArrayList<>(0);
    if (bodyDecoded) {
      dropped.add("content-encoding");
    }
    set.add(new Header("x-request-id", account.requestId()));
    set.add(new Header("via", Via.appended(in.head().joined("via"), plane.via().own())));
    plane.config().forwarding().patch(in.peer(), in.head(), set, dropped);
    String authorization = a.authorization();
    if (authorization != null) {
      set.add(new Header("authorization", authorization));
    }
    ByteBuf own = body == null ? null : body.retainedDuplicate();
    a.send(in, new HeadPatch(dropped, set), own, retries.limits(asked().bodyBytes()));
  }

  @Override
  public void answered(ResponseHead head) {
    Attempt a = current();
    Question q = asked();
    if (retries.mayPutAside(q, head.status())) {
      Candidates others = retries.besides(a.instance(), q, plane.table().get().fleet());
      if (!others.isEmpty() && putAside(a, head, others)) {
        return;
      }
    }
    if (head.status() < 500) {
      retries.answeredElsewhere();
    }
    answer = new Answer(in, q, head);
    if (quiet != null) {
      quiet.follows(answer);
    }
  }

  /// Leaves an answer for another instance's, which is asked at once or when it has a place.
  private boolean putAside(Attempt a, ResponseHead head, Candidates others) {
    Choice next = choice(asked(), others);
    List<Instance> who =
        switch (next) {
          case Choice.Send s -> List.of(s.instance());
          case Choice.Wait w -> w.accepted();
          case Choice.Refuse r -> List.of();
        };
    if (who.isEmpty()) {
      return false;
    }
    if (!retries.pay(a.instance(), head, who)) {
      if (next instanceof Choice.Send s) {
        plane.admission().giveBack(s);
      }
      return false;
    }
    a.giveUp();
    goOn(next, others);
    return true;
  }

  private void goOn(Choice next, Candidates among) {
    stage = Stage.CHOOSE;
    switch (next) {
      case Choice.Send s -> take(s);
      case Choice.Wait w -> await(w, among);
      case Choice.Refuse r -> {}
    }
    advance();
  }

  private boolean startedEarly() {
    QuietStream s = quiet;
    return s != null && s.started();
  }

  @Override
  public void body(ByteBuf slice) {
    if (movedForLength(slice)) {
      slice.release();
      return;
    }
    Answer to = relayed();
    to.slice(slice);
    if (!in.isWritable()) {
      in.flush();
      if (!in.isWritable()) {
        current().reading(false);
      }
    }
  }

  /// Asks a larger instance when this one says, at the start of its answer, that the prompt does
  /// not fit: the estimate was too low.
  private boolean movedForLength(ByteBuf slice) {
    Answer to = answer;
    if (to == null || to.begun() || !ContextRefusal.is(to.status(), slice)) {
      return false;
    }
    Question q = asked();
    Attempt a = current();
    Candidates larger = retries.larger(a.instance(), q, plane.table().get().fleet());
    if (larger.isEmpty()) {
      return false;
    }
    Choice next = choice(q, larger);
    if (next instanceof Choice.Refuse) {
      return false;
    }
    a.giveUp();
    answer = null;
    if (quiet != null) {
      quiet.follows(null);
    }
    retries.couldNotHold(a.instance());
    goOn(next, larger);
    return true;
  }

  /// The answer, begun.
  private Answer relayed() {
    Answer to = answer;
    if (to == null) {
      throw new IllegalStateException("body before head");
    }
    stage = Stage.RELAY;
    if (!to.begun()) {
      boolean shown = plane.config().decisionHeaders();
      to.begin(Answer.decision(account, asked(), current(), shown));
    }
    return to;
  }

  @Override
  public void pause() {
    Answer to = answer;
    if (to != null && to.begun()) {
      to.flush();
    }
  }

  @Override
  public void ended(boolean byClose) {
    Answer to = relayed();
    if (byClose && to.cutByClose()) {
      failed(new Failure(Kind.CLOSED_MID_ANSWER, "closed before the stream's last event"));
      return;
    }
    to.end();
    settleAnswered(to);
  }

  /// The end of an exchange whose answer was relayed whole.
  private void settleAnswered(Answer to) {
    int status = to.status();
    settle(
        status >= 500 ? Outcome.UPSTREAM_ERROR : status >= 400 ? Outcome.CLIENT_ERROR : Outcome.OK,
        status);
  }

  @Override
  public void failed(Failure f) {
    Attempt a = current();
    Answer begun = answer;
    if (begun != null && begun.tap().bytes() > 0) {
      a.countOut();
      ApiError e = ApiError.of(f, a.instance().name());
      begun.breakOff(e);
      settle(e.outcome(), begun.status());
      return;
    }
    answer = null;
    if (quiet != null) {
      quiet.follows(null);
    }
    if (a.anotherWay(f)) {
      attempt = a.overNewConnection();
      dispatch(attempt);
      return;
    }
    a.countOut();
    again(a, f);
  }

  private void again(Attempt a, Failure f) {
    retries.failed(a.instance(), f);
    if (!retries.mayRepeat(asked(), f)) {
      reject(retries.firstCause(ApiError.of(f, a.instance().name())));
      return;
    }
    plane.metrics().retry(f.kind().name().toLowerCase(Locale.ROOT));
    stage = Stage.CHOOSE;
    advance();
  }

  @Override
  public void writable(boolean on) {
    Attempt a = attempt;
    Answer to = answer;
    if (a != null && to != null && to.begun()) {
      a.reading(on);
      to.noteDone();
    }
  }

  @Override
  public void gone() {
    leaveLine();
    Attempt a = attempt;
    if (a != null) {
      a.giveUp();
    }
    Answer to = answer;
    if (to != null && to.doneRelayed()) {
      settleAnswered(to);
    } else {
      settle(Outcome.CLIENT_GONE, 499);
    }
  }

  @Override
  public void shutdown() {
    if (stage == Stage.SETTLED) {
      return;
    }
    leaveLine();
    Attempt a = attempt;
    if (a != null) {
      a.giveUp();
    }
    ApiError e = ApiError.unavailable("shutting_down", "the router ends; ask again");
    Answer begun = answer;
    if (begun != null && begun.begun()) {
      begun.breakOff(e);
      settle(e.outcome(), begun.status());
    } else {
      reject(e);
    }
  }

  private void reject(ApiError e) {
    Question q = question;
    reject(e, q == null ? ErrorShape.OPENAI : q.shape());
  }

  private void reject(ApiError e, ErrorShape shape) {
    if (stage != Stage.SETTLED) {
      if (startedEarly()) {
        in.breakOff(shape.event(e).getBytes(StandardCharsets.UTF_8));
      } else {
        in.answer(e.response(account.requestId(), shape));
      }
      settle(e.outcome(), e.status());
    }
  }

  /// The one end of every exchange.
  private void settle(Outcome outcome, int status) {
    if (stage == Stage.SETTLED) {
      return;
    }
    stage = Stage.SETTLED;
    if (quiet != null) {
      quiet.end();
    }
    if (body != null) {
      body.release();
      body = null;
    }
    Answer to = answer;
    account.close(
        outcome,
        status,
        question,
        candidates,
        retries.tried(),
        attempt,
        to == null ? null : to.tap());
  }

  private Question asked() {
    Question q = question;
    if (q == null) {
      throw new IllegalStateException("not read yet");
    }
    return q;
  }

  private Attempt current() {
    Attempt a = attempt;
    if (a == null) {
      throw new IllegalStateException("no attempt yet");
    }
    return a;
  }
}
