package org.infinilm.svc.picker;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.EventLoop;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.http.Arrival;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Outgoing;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.Room;
import org.infinilm.svc.http.TimeLimits;
import org.infinilm.svc.http.UpstreamCall;
import org.infinilm.svc.http.UpstreamEvents;
import org.infinilm.svc.router.Carried;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One stream of Envoy's: one HTTP request, from its head to the end of its answer. Lives on one
/// event loop; messages that come elsewhere are handed to it in their order.
/*
 *   HEADERS   the head is awaited                    -> BODY | CHOOSING
 *   BODY      pieces come, nothing is replied        -> CHOOSING
 *   CHOOSING  the router's room has it               -> TOLD, or an answer of ours ends it
 *   TOLD      head and body went back, with the destination; the answer's head is awaited
 *   ANSWER    pieces of the answer pass, watched     -> OVER
 *   PASSING   what comes passes as it is: Envoy answers itself, or nobody watches any more
 *   OVER
 */
final class Processing extends OnLoop implements StreamObserver<ProcessingRequest>, UpstreamCall {
  private static final Logger LOG = LoggerFactory.getLogger(Processing.class);

  /// What a choice may take beside the wait for a place.
  private static final Duration CHOICE = Duration.ofSeconds(60);

  private static final String CONNECT = "CONNECT";
  private static final int LEAST_STATUS = 100;

  private enum Phase {
    HEADERS,
    BODY,
    CHOOSING,
    TOLD,
    ANSWER,
    PASSING,
    OVER
  }

  private final ExtProc service;
  private final ServerCallStreamObserver<ProcessingResponse> to;

  private Phase phase = Phase.HEADERS;
  private Fields head = new Fields(HeaderMap.getDefaultInstance());
  private @Nullable Set<String> subset;
  private BodySendMode answerMode = BodySendMode.NONE;
  private ByteBuf body = Unpooled.EMPTY_BUFFER;
  private ByteString sent = ByteString.EMPTY;
  private boolean hasBody;
  private boolean hasTrailers;
  private final Arrival arrival;
  private final Beat beat;

  /// Whether its head alone is answered, so that its body is passed over.
  private boolean byHead;

  /// The tick at which something came last that the phase waits for, and the ticks that it may wait
  /// for more.
  private long since;

  private long patience = Long.MAX_VALUE;
  private long idle = Long.MAX_VALUE;

  private InboundEvents events = NOBODY;
  private List<Origin> others = List.of();
  private Carried.@Nullable Served servedBy;
  private @Nullable UpstreamEvents upstream;

  /// What is to go to the client of the piece at hand.
  private ByteString goes = ByteString.EMPTY;

  private @Nullable ByteBuf atHand;
  private ByteString atHandBytes = ByteString.EMPTY;
  private boolean headReplied;

  /// Whether a piece of the answer's body has come.
  private boolean bodySeen;

  private int ownStatus;
  private boolean owesRequest;

  Processing(ExtProc service, EventLoop loop, ServerCallStreamObserver<ProcessingResponse> to) {
    super(service, loop);
    this.service = service;
    this.to = to;
    beat = service.beat(loop);
    // held twice: to be read as one, and to go back as it came
    arrival = new Arrival(service.memory().limits(), 2, () -> here(this::givenUp));
    to.disableAutoRequest();
    to.setOnReadyHandler(() -> here(this::ready));
    to.setOnCancelHandler(() -> here(this::left));
    // whoever ended the call: nothing of it may stay
    to.setOnCloseHandler(() -> here(() -> leave(false)));
    to.request(1);
  }

  private void ready() {
    if (owesRequest && phase != Phase.OVER) {
      owesRequest = false;
      since = beat.now();
      to.request(1);
    }
  }

  @Override
  public void onNext(ProcessingRequest m) {
    here(() -> take(m));
  }

  @Override
  public void onError(Throwable t) {
    here(this::left);
  }

  @Override
  public void onCompleted() {
    here(this::left);
  }

  private void take(ProcessingRequest m) {
    if (phase == Phase.OVER) {
      return;
    }
    try {
      switch (m.getRequestCase()) {
        case REQUEST_HEADERS -> requestHead(m);
        case REQUEST_BODY -> requestBody(m.getRequestBody());
        case REQUEST_TRAILERS -> requestTrailers();
        case RESPONSE_HEADERS -> answerHead(m);
        case RESPONSE_BODY -> answerBody(m.getResponseBody());
        case RESPONSE_TRAILERS -> answerTrailers();
        case REQUEST_NOT_SET ->
            refuse(
                Status.INVALID_ARGUMENT,
                "request: none, or no message (expected: headers, a body or trailers)");
      }
    } catch (RuntimeException e) {
      LOG.error("a stream of Envoy's failed", e);
      failed();
    }
    // who reads slowly is not sent more than is asked for
    if (phase != Phase.OVER) {
      owesRequest = !to.isReady();
      if (!owesRequest) {
        to.request(1);
      }
    }
  }

  private void requestHead(ProcessingRequest m) {
    if (phase != Phase.HEADERS) {
      refuse(Status.INVALID_ARGUMENT, "request_headers: twice (expected: once, first)");
      return;
    }
    HttpHeaders h = m.getRequestHeaders();
    head = new Fields(h.getHeaders());
    BodySendMode mode = BodySendMode.FULL_DUPLEX_STREAMED;
    answerMode = BodySendMode.FULL_DUPLEX_STREAMED;
    if (m.hasProtocolConfig()) {
      mode = m.getProtocolConfig().getRequestBodyMode();
      answerMode = m.getProtocolConfig().getResponseBodyMode();
    }
    if (m.getObservabilityMode()) {
      refuse(
          Status.FAILED_PRECONDITION,
          "observability_mode: true (expected: false, replies are heard)");
    } else if (!head.isRequest() && !head.method().equals(CONNECT)) {
      refuse(Status.INVALID_ARGUMENT, "request_headers: without :method or :path (expected: both)");
    } else if (isForNobody()) {
      // answered
    } else if (mode != BodySendMode.FULL_DUPLEX_STREAMED && !h.getEndOfStream()) {
      refuse(
          Status.FAILED_PRECONDITION,
          "request_body_mode: " + mode + " (expected: FULL_DUPLEX_STREAMED)");
    } else {
      subset = Gateway.subset(m.getMetadataContext());
      phase = Phase.BODY;
      beat.add(this);
      byHead = service.chooser().owns(head);
      if (h.getEndOfStream() || byHead) {
        choose();
      } else {
        bodyBegins();
      }
    }
  }

  /// Whether it is a request that no instance gets; it is answered then, as the router does.
  private boolean isForNobody() {
    String method = head.method();
    String target = head.target();
    ExtProc.Chooser c = service.chooser();
    if (method.equals(CONNECT) || method.equals("TRACE")) {
      answer(c.refusal(501, method + " is not supported", head));
    } else if (method.equals("OPTIONS") && target.equals("*")) {
      answer(Response.empty(200).with("allow", RequestHead.METHODS));
    } else if (!target.startsWith("/")) {
      answer(c.refusal(400, "request target (expected: a path and a query)", head));
    } else {
      return false;
    }
    return true;
  }

  /// Who would be told no whatever the body is, is told so before it has come.
  private void bodyBegins() {
    Arrival.Wrong w = arrival.begins(head.length(), beat.now());
    Response no = service.chooser().unwelcome(head);
    if (w != null) {
      refuse(w);
    } else if (no != null) {
      answer(no);
    }
  }

  private void refuse(Arrival.@Nullable Wrong w) {
    if (w != null) {
      answer(service.chooser().refusal(w.status(), w.why(), head));
    }
  }

  private void givenUp() {
    if (phase == Phase.BODY) {
      refuse(arrival.memoryFull());
    }
  }

  private void requestBody(HttpBody b) {
    if (isPassedOver()) {
      return;
    }
    if (phase != Phase.BODY) {
      unexpected("request_body");
      return;
    }
    hasBody = true;
    Arrival.Wrong w = arrival.piece(b.getBody().size(), beat.now());
    if (w != null) {
      refuse(w);
      return;
    }
    sent = sent.concat(b.getBody());
    if (b.getEndOfStream()) {
      choose();
    }
  }

  private void requestTrailers() {
    if (isPassedOver()) {
      return;
    }
    if (phase != Phase.BODY) {
      unexpected("request_trailers");
      return;
    }
    hasTrailers = true;
    choose();
  }

  private boolean isPassedOver() {
    return byHead && phase == Phase.CHOOSING;
  }

  private void unexpected(String what) {
    if (phase == Phase.HEADERS) {
      refuse(Status.INVALID_ARGUMENT, what + ": first (expected: request_headers)");
    } else if (phase == Phase.BODY) {
      refuse(Status.INVALID_ARGUMENT, what + ": before the end of the request");
    } else if (phase != Phase.PASSING) {
      refuse(
          Status.INVALID_ARGUMENT, what + ": after the end of the request (expected: its answer)");
    }
  }

  private void choose() {
    phase = Phase.CHOOSING;
    arrival.whole();
    waits(service.chooser().queueTimeout().plus(CHOICE));
    body = sent.isEmpty() ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(sent.toByteArray());
    service.chooser().choose(this);
  }

  private void waits(Duration atMost) {
    since = beat.now();
    patience = Arrival.ticks(atMost);
  }

  /// Time runs, for whatever it waits for; on its loop.
  void tick(long now) {
    try {
      if (phase == Phase.BODY) {
        refuse(arrival.tick(now));
      } else if (now - since > patience) {
        late();
      }
    } catch (RuntimeException e) {
      LOG.error("a stream of Envoy's failed", e);
      failed();
    }
  }

  private void late() {
    UpstreamEvents u = upstream;
    if (phase == Phase.CHOOSING) {
      LOG.error("{} {} was not chosen for in time", head.method(), head.path());
      failed();
    } else if (phase == Phase.TOLD && u != null) {
      upstream = null;
      u.failed(new Failure(Failure.Kind.TIMEOUT_FIRST_BYTE, "no answer within the limit"));
    } else if (phase != Phase.ANSWER || answerMode != BodySendMode.NONE) {
      if (phase == Phase.ANSWER && !bodySeen && u != null) {
        // a head alone fills nobody's buffers: it is the instance that is late
        upstream = null;
        u.failed(new Failure(Failure.Kind.TIMEOUT_FIRST_BYTE, "a head and no body in time"));
      }
      // else the instance, or a client that takes nothing: which of them is not seen from here
      end(Status.DEADLINE_EXCEEDED.withDescription("nothing came of the answer within the limit"));
    }
  }

  @Override
  public Room room() {
    return arrival;
  }

  // What the router's room asks of a request.

  @Override
  public Fields head() {
    return head;
  }

  @Override
  public ByteBuf body() {
    return body;
  }

  @Override
  public void events(InboundEvents e) {
    events = e;
  }

  @Override
  public @Nullable Set<String> subset() {
    return subset;
  }

  @Override
  public int ownStatus() {
    return ownStatus;
  }

  @Override
  public void others(List<Origin> inOrder, Carried.Served served) {
    others = inOrder;
    servedBy = served;
  }

  @Override
  public UpstreamCall send(Outgoing call, UpstreamEvents told) {
    if (phase != Phase.CHOOSING) {
      throw new IllegalStateException("told where to go in phase " + phase);
    }
    phase = Phase.TOLD;
    upstream = told;
    TimeLimits l = call.limits();
    waits(l.connect().plus(l.firstByte()));
    idle = Arrival.ticks(l.idle());
    ByteBuf other = call.body();
    if (other != null) {
      sent = ByteString.copyFrom(other.nioBuffer());
      other.release();
    }
    to.onNext(Destination.of(call, others, mostOthers(), head));
    if (hasBody) {
      for (ProcessingResponse r : Replies.pieces(sent, true, !hasTrailers)) {
        to.onNext(r);
      }
    }
    if (hasTrailers) {
      to.onNext(Replies.REQUEST_TRAILERS);
    }
    releaseBody();
    return this;
  }

  private void releaseBody() {
    body = Unpooled.EMPTY_BUFFER;
    sent = ByteString.EMPTY;
    arrival.close();
  }

  @Override
  public void reading(boolean on) {}

  @Override
  public void cancel() {
    upstream = null;
  }

  // The answer.

  private void answerHead(ProcessingRequest m) {
    if (phase == Phase.HEADERS) {
      // Envoy refuses a request (`*`, no Host field) of which its filters get the answer alone
      answerMode =
          m.hasProtocolConfig()
              ? m.getProtocolConfig().getResponseBodyMode()
              : BodySendMode.FULL_DUPLEX_STREAMED;
      phase = Phase.PASSING;
    }
    if (phase == Phase.BODY || phase == Phase.CHOOSING) {
      // Envoy answers before it has heard from us
      InboundEvents e = events;
      events = NOBODY;
      phase = Phase.PASSING;
      releaseBody();
      e.gone();
    }
    UpstreamEvents u = upstream;
    int status = new Fields(m.getResponseHeaders().getHeaders()).status();
    headReplied = false;
    if (phase == Phase.TOLD && u != null) {
      Failure own = Gateway.ownAnswer(m.getAttributesMap());
      if (own != null) {
        upstream = null;
        // what is no call's failure (no route, no cluster) is told in Envoy's words
        phase = own.kind() == Failure.Kind.PROXY_ANSWERED ? Phase.PASSING : phase;
        ownStatus = status;
        u.failed(own);
      } else if (status < LEAST_STATUS) {
        upstream = null;
        u.failed(new Failure(Failure.Kind.BAD_ANSWER, "a head without a status (expected: one)"));
      } else {
        phase = Phase.ANSWER;
        answered(m, u);
      }
    }
    if (!headReplied && phase != Phase.OVER) {
      to.onNext(Replies.SAME_RESPONSE_HEADERS);
    }
    if (m.getResponseHeaders().getEndOfStream()) {
      completed();
    }
  }

  private void answered(ProcessingRequest m, UpstreamEvents first) {
    Carried.Served hears = servedBy;
    String by = Gateway.served(m.getMetadataContext(), m.getAttributesMap());
    UpstreamEvents other = by == null || hears == null ? null : hears.by(by);
    UpstreamEvents u = other == null ? first : other;
    upstream = u;
    u.answered(new Fields(m.getResponseHeaders().getHeaders()));
    if (m.getResponseHeaders().getEndOfStream()) {
      u.ended(false);
    }
  }

  private void answerBody(HttpBody b) {
    if (phase == Phase.PASSING) {
      passOn(b.getBody(), b.getBody(), b.getEndOfStream());
      return;
    }
    UpstreamEvents u = upstream;
    if (phase != Phase.ANSWER || u == null) {
      refuse(Status.INVALID_ARGUMENT, "response_body: before response_headers");
      return;
    }
    goes = ByteString.EMPTY;
    if (!b.getBody().isEmpty()) {
      bodySeen = true;
      patience = idle;
      ByteBuf slice = Unpooled.wrappedBuffer(b.getBody().asReadOnlyByteBuffer());
      atHand = slice;
      atHandBytes = b.getBody();
      u.body(slice);
      u.pause();
      atHand = null;
    }
    if (b.getEndOfStream()) {
      u.ended(false);
    }
    passOn(b.getBody(), goes, b.getEndOfStream());
  }

  private void passOn(ByteString came, ByteString passes, boolean ends) {
    if (phase == Phase.OVER) {
      return;
    }
    if (!came.isEmpty()) {
      since = beat.now();
    }
    if (answerMode == BodySendMode.FULL_DUPLEX_STREAMED) {
      for (ProcessingResponse r : Replies.pieces(passes, false, ends)) {
        to.onNext(r);
      }
    } else {
      to.onNext(Replies.responseBody(came, passes));
    }
    if (ends) {
      completed();
    }
  }

  private void answerTrailers() {
    UpstreamEvents u = upstream;
    if (phase == Phase.ANSWER && u != null) {
      goes = ByteString.EMPTY;
      u.ended(false);
      for (ProcessingResponse r : Replies.pieces(goes, false, false)) {
        to.onNext(r);
      }
    } else if (phase != Phase.PASSING) {
      refuse(Status.INVALID_ARGUMENT, "response_trailers: before response_headers");
      return;
    }
    to.onNext(Replies.RESPONSE_TRAILERS);
    completed();
  }

  @Override
  public void relayHead(ResponseHead from, HeadPatch patch) {
    headReplied = true;
    List<String> removed = new ArrayList<>(0);
    for (String name : patch.dropped()) {
      if (from.header(name) != null) {
        removed.add(name);
      }
    }
    to.onNext(Replies.responseHeaders(patch.set(), removed));
  }

  @Override
  @SuppressWarnings("ReferenceEquality") // the very piece that came
  public void relayBody(ByteBuf slice) {
    goes = goes.concat(slice == atHand ? atHandBytes : ByteString.copyFrom(slice.nioBuffer()));
    slice.release();
  }

  @Override
  public void relayEnd() {
    upstream = null;
  }

  @Override
  public void breakOff(byte[] lastPiece) {
    upstream = null;
    if (phase != Phase.OVER) {
      phase = Phase.PASSING;
    }
  }

  @Override
  public void answer(Response r) {
    if (phase != Phase.OVER && phase != Phase.PASSING) {
      to.onNext(Replies.immediate(r));
      completed();
    }
  }

  // Ends.

  /// Both sides have said all.
  private void completed() {
    if (phase != Phase.OVER) {
      over();
      to.onCompleted();
    }
  }

  /// What Envoy sent cannot be used; it fails the request, or lets it go on, as it is configured.
  private void refuse(Status status, String why) {
    LOG.warn("a stream of Envoy's is refused: {}", why);
    end(status.withDescription(why));
  }

  private void end(Status status) {
    if (phase != Phase.OVER) {
      InboundEvents e = events;
      over();
      to.onError(status.asRuntimeException());
      e.gone();
    }
  }

  @Override
  void failed() {
    if (phase == Phase.OVER) {
      return;
    }
    try {
      events.fault();
    } catch (RuntimeException e) {
      LOG.error("the end of a stream failed", e);
    }
    end(Status.INTERNAL.withDescription("Internal server error"));
  }

  /// Envoy has no more to say: the client left, the instance broke off, or the answer's body is not
  /// shown to us.
  private void left() {
    leave(!to.isCancelled());
  }

  /// @param open whether the call is to be ended
  private void leave(boolean open) {
    if (phase == Phase.OVER) {
      return;
    }
    boolean unseen = phase == Phase.ANSWER && answerMode == BodySendMode.NONE;
    UpstreamEvents u = upstream;
    InboundEvents e = events;
    over();
    try {
      if (unseen && u != null) {
        u.ended(false);
      } else {
        e.gone();
      }
    } finally {
      if (open) {
        to.onCompleted();
      }
    }
  }

  /// Has it end at once, on any thread: what is not told yet is refused.
  void cut() {
    here(() -> {
      if (phase != Phase.OVER) {
        InboundEvents e = events;
        if (phase == Phase.BODY || phase == Phase.HEADERS) {
          answer(service.chooser().refusal(503, "the picker ends; ask again", head));
        }
        e.shutdown();
        end(Status.UNAVAILABLE.withDescription("the picker ends"));
      }
    });
  }

  private void over() {
    phase = Phase.OVER;
    events = NOBODY;
    upstream = null;
    releaseBody();
    beat.remove(this);
    service.ended(this);
  }
}
