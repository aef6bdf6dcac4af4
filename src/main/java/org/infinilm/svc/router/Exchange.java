package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.JsonPeek.Peeked;
import org.infinilm.svc.http.Outgoing;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.TimeLimits;
import org.infinilm.svc.http.UpstreamCall;
import org.infinilm.svc.http.UpstreamEvents;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Policies;
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
 *   choose    filter, then the policy                                    -> send | reject
 *   send      count in, connect or reuse, write                          -> await
 *   await     hold the instance's head until the first byte of its body  -> relay | again
 *   relay     pass slices through, watching them                         -> settle
 *             (a kept connection that was closed already: the same instance once more, on a new one)
 *   again     count out, drop the instance from the candidates           -> choose | reject
 *   settle    count out, metrics, decision, facts: once, whatever happened
 *
 * Another attempt is made only while nothing of an answer went to the client: always when nothing was
 * sent; for generation requests also after a close without an answer and, within a budget, after 429,
 * 502 and 503. Attempts that never connected do not count against the limit while others are untried.
 */
final class Exchange implements UpstreamEvents, InboundEvents {
  private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
  private static final int MOST_ATTEMPTS = 3;
  private static final Duration CONNECT = Duration.ofSeconds(5);

  private enum Stage {
    READ,
    CHOOSE,
    SEND,
    AWAIT,
    RELAY,
    SETTLED
  }

  private final Plane plane;
  private final Inbound in;
  private final String requestId;
  private final String method;
  private final @Nullable String clientsVia;
  private final @Nullable String clientsForwardedFor;
  private final long startNanos;

  private Stage stage = Stage.READ;
  private @Nullable Question question;
  private @Nullable Candidates candidates;
  private List<Instance> failed = List.of();
  private @Nullable Instance instance;
  private @Nullable Pool pool;
  private @Nullable Reason reason;
  private @Nullable UpstreamCall call;
  private @Nullable ResponseHead answer;
  private @Nullable ApiError firstError;
  private boolean counted;
  private int attempts;
  private int sends;
  private int dispatches;
  private boolean sse;
  private boolean doneRelayed;
  private long dispatchNanos;
  private long firstByteNanos;
  private @Nullable ResponseTap tap;

  Exchange(Plane plane, Inbound in) {
    this.plane = plane;
    this.in = in;
    this.startNanos = plane.ticker().nanos();
    this.requestId = plane.ids().of(in.head().header("x-request-id"));
    this.method = in.head().method();
    this.clientsVia = in.head().joined("via");
    this.clientsForwardedFor = in.head().joined("x-forwarded-for");
  }

  void start() {
    in.events(this);
    plane.retryBudget().request();
    advance();
  }

  private void advance() {
    try {
      run();
    } catch (RuntimeException e) {
      LOG.error("request {} failed", requestId, e);
      fault();
    }
  }

  /// Ends an exchange after a fault of ours.
  private void fault() {
    UpstreamCall c = call;
    if (c != null) {
      c.cancel();
    }
    if (stage == Stage.RELAY) {
      in.breakOff(sse ? lastEvent(ApiError.internal()) : new byte[0]);
      settle(Outcome.INTERNAL, answer == null ? 500 : answer.status());
    } else {
      reject(ApiError.internal());
    }
  }

  private void run() {
    while (true) {
      switch (stage) {
        case READ -> read();
        case CHOOSE -> choose();
        case SEND -> {
          send();
          return;
        }
        case AWAIT, RELAY, SETTLED -> {
          return;
        }
      }
    }
  }

  private void read() {
    switch (Question.of(plane, in)) {
      case Question.Wrong w -> reject(w.error());
      case Question.Asked q -> {
        question = q.question();
        candidates = q.question().candidates();
        stage = Stage.CHOOSE;
      }
    }
  }

  private void choose() {
    Question q = question;
    Candidates left = candidates;
    if (q == null || left == null) {
      throw new IllegalStateException("choose before read");
    }
    if (left.isEmpty()) {
      reject(firstError != null ? firstError : q.nobody());
      return;
    }
    long before = plane.ticker().nanos();
    Ask ask = new Ask(q.size(), q.threshold(), q.needTokens(), q.leastTokens(), q.affinity());
    Choice choice = plane.policy().choose(ask, left, plane.ledger(), ThreadLocalRandom.current());
    plane.metrics().decided(plane.ticker().nanos() - before);
    switch (choice) {
      case Choice.Send s -> {
        instance = s.instance();
        pool = s.pool();
        reason = failed.isEmpty() ? s.why() : Reason.RETRY;
        stage = Stage.SEND;
      }
      case Choice.Wait w ->
          reject(ApiError.unavailable("overloaded", "every instance of the pool is busy"));
      case Choice.Refuse r ->
          reject(
              firstError != null
                  ? firstError
                  : ApiError.invalid(
                      "context_length_exceeded",
                      "the request needs at least "
                          + r.leastTokens()
                          + " tokens (prompt and max_tokens; expected: at most "
                          + r.capacityTokens()
                          + ", the largest instance of this model)"));
    }
  }

  private void send() {
    Instance i = instance;
    Question q = question;
    if (i == null || q == null) {
      throw new IllegalStateException("send before choose");
    }
    Target target = plane.table().get().target(i);
    attempts++;
    if (target == null) {
      again(new Failure(Failure.Kind.CONNECT_REFUSED, "gone"));
      return;
    }
    sends++;
    plane.ledger().take(i.slot());
    counted = true;
    dispatch(target, q.replayable());
  }

  /// @param reuse whether a kept connection will do: only for what may be sent again when it turns
  ///   out to be closed
  private void dispatch(Target target, boolean reuse) {
    dispatchNanos = plane.ticker().nanos();
    stage = Stage.AWAIT;
    List<Header> set = new ArrayList<>(4);
    set.add(new Header("x-request-id", requestId));
    set.add(new Header("x-forwarded-for", appended(clientsForwardedFor, in.peer())));
    set.add(new Header("via", appended(clientsVia, "1.1 infini")));
    if (target.authorization() != null) {
      set.add(new Header("authorization", target.authorization()));
    }
    Guarded events = new Guarded(++dispatches);
    Duration limit = plane.config().proxyTimeout();
    call =
        in.send(
            new Outgoing(
                target.origin(),
                HeadPatch.setting(set),
                null,
                new TimeLimits(CONNECT, limit, limit),
                reuse),
            events);
  }

  private static String appended(@Nullable String before, String last) {
    return before == null || before.isBlank() ? last : before + ", " + last;
  }

  /// Events of one attempt; those of an attempt that was given up are dropped.
  private final class Guarded implements UpstreamEvents {
    private final int attempt;

    Guarded(int attempt) {
      this.attempt = attempt;
    }

    private boolean stale() {
      return attempt != dispatches || stage == Stage.SETTLED;
    }

    @Override
    public void answered(ResponseHead head) {
      if (!stale()) {
        Exchange.this.answered(head);
      }
    }

    @Override
    public void body(ByteBuf slice) {
      if (stale()) {
        slice.release();
      } else {
        Exchange.this.body(slice);
      }
    }

    @Override
    public void pause() {
      if (!stale()) {
        Exchange.this.pause();
      }
    }

    @Override
    public void ended() {
      if (!stale()) {
        Exchange.this.ended();
      }
    }

    @Override
    public void failed(Failure f) {
      if (!stale()) {
        Exchange.this.failed(f);
      }
    }
  }

  @Override
  public void answered(ResponseHead head) {
    Instance i = instance;
    int status = head.status();
    if (i != null && status < 500) {
      plane.instances().answered(i.name());
    }
    if ((status == 429 || status == 502 || status == 503) && mayAskAnother()) {
      plane.metrics().retry("status_" + status);
      giveUpAttempt();
      firstError = null;
      stage = Stage.CHOOSE;
      advance();
      return;
    }
    answer = head;
    String type = head.header("content-type");
    sse = type != null && type.startsWith("text/event-stream");
  }

  /// Whether this answer may be thrown away for another instance's.
  private boolean mayAskAnother() {
    return question != null
        && question.generation()
        && attempts < MOST_ATTEMPTS
        && candidates != null
        && candidates.in(Pool.ANY).size() > 1
        && plane.retryBudget().retry();
  }

  @Override
  public void body(ByteBuf slice) {
    if (stage == Stage.AWAIT) {
      firstByteNanos = plane.ticker().nanos();
      relayHead();
    }
    ResponseTap t = tap;
    if (t == null) {
      t = new ResponseTap(answerLength());
      tap = t;
    }
    t.slice(slice, sse);
    in.relayBody(slice);
    if (!in.isWritable() && call != null) {
      in.flush();
      if (!in.isWritable()) {
        call.reading(false);
      }
    }
  }

  /// Bytes of the answer's body, -1 when its head does not say.
  private long answerLength() {
    String n = answer == null ? null : answer.header("content-length");
    return n != null
            && n.length() < 10
            && n.chars().allMatch(c -> c >= '0' && c <= '9')
            && !n.isEmpty()
        ? Long.parseLong(n)
        : -1;
  }

  private void relayHead() {
    ResponseHead head = answer;
    if (head == null) {
      throw new IllegalStateException("body before head");
    }
    in.relayHead(head, HeadPatch.setting(answerHeaders()));
    stage = Stage.RELAY;
  }

  private List<Header> answerHeaders() {
    List<Header> set = new ArrayList<>(8);
    set.add(new Header("x-request-id", requestId));
    Question q = question;
    if (plane.config().decisionHeaders()
        && q != null
        && instance != null
        && pool != null
        && reason != null) {
      set.add(new Header("x-infini-instance", visible(instance.name())));
      set.add(new Header("x-infini-pool", pool.label()));
      set.add(new Header("x-infini-reason", reason.label()));
      set.add(new Header("x-infini-size", Long.toString(q.size())));
      set.add(new Header("x-infini-threshold", Long.toString(q.threshold())));
      set.add(new Header("x-infini-attempts", Integer.toString(sends)));
    }
    return set;
  }

  /// A name as a header value may carry it.
  private static String visible(String name) {
    for (int k = 0; k < name.length(); k++) {
      if (name.charAt(k) < ' ' || name.charAt(k) > '~') {
        return name.replaceAll("[^ -~]", "?");
      }
    }
    return name;
  }

  @Override
  public void pause() {
    if (stage == Stage.RELAY) {
      in.flush();
      noteDone();
    }
  }

  /// Notes that the stream's last event went to the client. A connection that a write has broken is
  /// not writable.
  private void noteDone() {
    ResponseTap t = tap;
    doneRelayed = doneRelayed || (sse && t != null && t.endsWithDone() && in.isWritable());
  }

  @Override
  public void ended() {
    if (stage == Stage.AWAIT) {
      relayHead();
    }
    // The client's next request may be read before this thread goes on: the place is free by then.
    if (instance != null) {
      countOut(instance);
    }
    in.relayEnd();
    settleAnswered();
  }

  /// The end of an exchange whose answer was relayed whole.
  private void settleAnswered() {
    int status = answer == null ? 502 : answer.status();
    settle(
        status >= 500 ? Outcome.UPSTREAM_ERROR : status >= 400 ? Outcome.CLIENT_ERROR : Outcome.OK,
        status);
  }

  @Override
  public void failed(Failure f) {
    Instance i = instance;
    if (f.kind() == Failure.Kind.CLOSED_STALE && i != null && question != null) {
      Target target = plane.table().get().target(i);
      if (target != null) {
        dispatch(target, false);
        return;
      }
    }
    if (i != null && f.kind().nothingSent() && f.kind().side() == Failure.Side.INSTANCE) {
      plane.instances().unreachable(i.name());
    }
    if (stage == Stage.AWAIT) {
      again(f);
      return;
    }
    ApiError e = ApiError.of(f, i == null ? "" : i.name());
    in.breakOff(sse ? lastEvent(e) : new byte[0]);
    settle(e.outcome(), answer == null ? 502 : answer.status());
  }

  /// An error event for a stream that breaks, on a line of its own.
  private byte[] lastEvent(ApiError e) {
    String start = tap == null || tap.betweenEvents() ? "" : "\n\n";
    return (start + "data: " + Json.text(e.body()) + "\n\n").getBytes(StandardCharsets.UTF_8);
  }

  private void again(Failure f) {
    Question q = question;
    Instance i = instance;
    if (q == null || i == null) {
      throw new IllegalStateException("again before send");
    }
    if (firstError == null) {
      firstError = ApiError.of(f, i.name());
    }
    boolean replay =
        f.kind().nothingSent()
            || (q.replayable()
                && (f.kind() == Failure.Kind.CLOSED_STALE
                    || f.kind() == Failure.Kind.CLOSED_BEFORE_ANSWER
                    || f.kind() == Failure.Kind.CLOSED_MID_ANSWER));
    giveUpAttempt();
    if (f.kind().nothingSent()) {
      attempts--;
    }
    boolean withinLimits =
        attempts < MOST_ATTEMPTS
            && plane.ticker().nanos() - startNanos < plane.config().proxyTimeout().toNanos();
    if (!replay || !withinLimits || candidates == null || candidates.isEmpty()) {
      reject(firstError);
      return;
    }
    plane.metrics().retry(f.kind().name().toLowerCase(Locale.ROOT));
    stage = Stage.CHOOSE;
    advance();
  }

  /// Counts the attempt out and takes its instance off the candidates.
  private void giveUpAttempt() {
    UpstreamCall c = call;
    call = null;
    answer = null;
    if (c != null) {
      c.cancel();
    }
    Instance i = instance;
    if (i == null) {
      return;
    }
    countOut(i);
    List<Instance> all = new ArrayList<>(failed);
    all.add(i);
    failed = List.copyOf(all);
    if (candidates != null) {
      int slot = i.slot();
      candidates = candidates.without(x -> x.slot() == slot);
    }
  }

  private void countOut(Instance i) {
    if (counted) {
      counted = false;
      plane.ledger().release(i.slot());
    }
  }

  @Override
  public void writable(boolean on) {
    UpstreamCall c = call;
    if (c != null && stage == Stage.RELAY) {
      c.reading(on);
      noteDone();
    }
  }

  @Override
  public void gone() {
    if (call != null) {
      call.cancel();
    }
    if (doneRelayed) {
      settleAnswered();
    } else {
      settle(Outcome.CLIENT_GONE, 499);
    }
  }

  private void reject(ApiError e) {
    if (stage == Stage.SETTLED) {
      return;
    }
    in.answer(e.response(requestId));
    settle(e.outcome(), e.status());
  }

  /// The one end of every exchange.
  private void settle(Outcome outcome, int status) {
    if (stage == Stage.SETTLED) {
      return;
    }
    stage = Stage.SETTLED;
    long now = plane.ticker().nanos();
    Instance i = instance;
    Question q = question;
    String model = q == null || q.model() == null ? "" : q.model();
    long bytes = q == null ? 0 : q.bodyBytes();
    long ttft = firstByteNanos == 0 ? 0 : firstByteNanos - startNanos;
    if (i != null) {
      countOut(i);
    }
    plane.metrics().settled(model, pool, i, reason, outcome, bytes, ttft, now - startNanos);
    ResponseTap t = tap;
    plane
        .decisions()
        .put(
            new Decisions.Decision(
                plane.decisions().claim(),
                requestId,
                plane.ticker().now().toEpochMilli(),
                method,
                in.head().path(),
                model,
                q == null ? 0 : q.size(),
                q == null ? 0 : q.threshold(),
                q == null ? 0 : q.needTokens(),
                pool,
                i,
                reason,
                q == null ? null : q.candidates(),
                failed,
                outcome,
                status,
                sends,
                dispatchNanos == 0 ? 0 : dispatchNanos - startNanos,
                ttft,
                now - startNanos,
                bytes,
                t == null ? 0 : t.bytes()));
    if (i != null && t != null) {
      plane
          .learner()
          .offer(
              new Facts(
                  i,
                  model,
                  bytes,
                  dispatchNanos,
                  firstByteNanos,
                  now,
                  t.events(),
                  t.bytes(),
                  null,
                  outcome == Outcome.OK),
              outcome == Outcome.OK ? t.tail() : null);
    }
  }

  /// What an exchange asks for, read from its request.
  ///
  /// @param model null when the request named none
  /// @param generation a POST that may be sent again before an answer
  /// @param replayable generation, or a method that is safe to repeat
  record Question(
      @Nullable String model,
      Candidates candidates,
      long bodyBytes,
      long size,
      long threshold,
      long needTokens,
      long leastTokens,
      long affinity,
      boolean generation,
      boolean replayable) {

    /// A question, or why there is none.
    sealed interface Result {}

    record Asked(Question question) implements Result {}

    record Wrong(ApiError error) implements Result {}

    static Result of(Plane plane, Inbound in) {
      return Reader.read(plane, in);
    }

    /// What a client is told when every candidate is out of service.
    ApiError nobody() {
      return ApiError.unavailable(
          "no_healthy_instance",
          model == null
              ? "No healthy services available"
              : "No healthy services available for model '" + model + "'");
    }

    static long affinity(@Nullable String model, Peeked peeked, @Nullable String session) {
      if (peeked.promptCacheKey() != null && !peeked.promptCacheKey().isEmpty()) {
        return Policies.affinity(
            (model == null ? "default" : model) + ":prompt_cache:" + peeked.promptCacheKey());
      }
      return session == null || session.isEmpty()
          ? 0
          : Policies.affinity((model == null ? "default" : model) + ":session:" + session);
    }
  }
}
