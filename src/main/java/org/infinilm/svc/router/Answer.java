package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ModelRewrite;
import org.infinilm.svc.http.ModelRewrite.Passing;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// An instance's answer on its way to the client: its head with the decision's fields, its slices,
/// watched as they pass, and its end or break. Event-loop confined.
/*
 * Into a stream that was started early (QuietStream) an event stream goes as it is. Anything else,
 * an error most likely, cannot be told there by its status: it is gathered, up to a bound, and ends the
 * stream as an error event.
 */
final class Answer {
  private static final int MOST_GATHERED_BYTES = 16 << 10;
  private static final String EVENT_STREAM = "text/event-stream";

  /// The fields that tell of our decision: an instance's own, if it is a router too, are not ours.
  private static final List<String> DECISION_FIELDS =
      List.of(
          "x-infini-instance",
          "x-infini-pool",
          "x-infini-reason",
          "x-infini-size",
          "x-infini-threshold",
          "x-infini-attempts",
          "x-infini-queue-ms");

  /// The one of them that is not set each time.
  private static final List<String> QUEUE_FIELD = List.of("x-infini-queue-ms");

  private static final String ATTEMPTS = "x-infini-attempts";
  private static final Header ONE_ATTEMPT = Header.prepared(ATTEMPTS, "1");
  private static final Map<Pool, Header> POOLS = new EnumMap<>(Pool.class);
  private static final Map<Reason, Header> REASONS = new EnumMap<>(Reason.class);

  static {
    for (Pool p : Pool.values()) {
      POOLS.put(p, Header.prepared("x-infini-pool", p.label()));
    }
    for (Reason r : Reason.values()) {
      REASONS.put(r, Header.prepared("x-infini-reason", r.label()));
    }
  }

  /// What a head says of the very bytes of its body.
  private static final List<String> OF_THE_BYTES =
      List.of("content-length", "content-md5", "content-digest", "repr-digest", "digest", "etag");

  private final Inbound in;
  private final Question question;
  private final ResponseHead head;
  private final boolean sse;
  private final ResponseTap tap;
  private final @Nullable EventNames names;

  /// Puts the name into it by which the client asked for its model.
  private final @Nullable Passing renaming;

  private @Nullable ByteArrayOutputStream gathered;
  private boolean begun;
  private boolean doneRelayed;

  Answer(Inbound in, Question question, ResponseHead head) {
    this.in = in;
    this.question = question;
    this.head = head;
    this.sse = isEventStream(head) && !coded(head);
    this.tap = new ResponseTap();
    StreamForm form = question.streamForm();
    this.names = sse && form != null && form.named() ? new EventNames() : null;
    this.renaming = renaming();
  }

  private @Nullable Passing renaming() {
    String name = question.answersAs();
    if (name == null || !(sse || (isJson(head) && !coded(head)))) {
      return null;
    }
    String inside =
        switch (question.shape()) {
          case OPENAI -> null;
          case ANTHROPIC -> "message";
          case RESPONSES -> "response";
        };
    return ModelRewrite.answer(sse, inside, name);
  }

  /// `application/json`, or a type of its syntax (RFC 6839).
  private static boolean isJson(ResponseHead head) {
    String type = head.header("content-type");
    if (type == null) {
      return false;
    }
    int end = type.indexOf(';');
    String plain = (end < 0 ? type : type.substring(0, end)).strip().toLowerCase(Locale.ROOT);
    return plain.equals("application/json") || plain.endsWith("+json");
  }

  private static boolean isEventStream(ResponseHead head) {
    String type = head.header("content-type");
    return type != null && type.regionMatches(true, 0, EVENT_STREAM, 0, EVENT_STREAM.length());
  }

  /// Whether it is in a content coding, so that nothing can be read in it or put into it.
  private static boolean coded(ResponseHead head) {
    String coding = head.header("content-encoding");
    return coding != null && !coding.isBlank() && !coding.strip().equalsIgnoreCase("identity");
  }

  /// The client has the head of a stream already.
  void beginEarly() {
    begun = true;
    gathered = sse && head.status() == 200 ? null : new ByteArrayOutputStream();
  }

  int status() {
    return head.status();
  }

  ResponseTap tap() {
    return tap;
  }

  /// What the instance says that it took; null when that cannot be read.
  @Nullable Usage usage() {
    return head.status() == 200 && !coded(head) ? tap.usage() : null;
  }

  /// As [ResponseTap#isCutAtOnce].
  boolean isCutAtOnce(@Nullable Usage usage, long most, long tookNanos) {
    return head.status() == 200 && !coded(head) && tap.isCutAtOnce(usage, most, tookNanos);
  }

  /// Whether the client has anything of it.
  boolean begun() {
    return begun;
  }

  /// @param fields to set
  /// @param shown whether they tell of the decision
  void begin(List<Header> fields, boolean shown) {
    begun = true;
    List<String> dropped = shown ? QUEUE_FIELD : DECISION_FIELDS;
    if (renaming != null) {
      dropped = new ArrayList<>(dropped);
      dropped.addAll(OF_THE_BYTES);
    }
    in.relayHead(head, new HeadPatch(dropped, fields));
  }

  /// Whether it comes in pieces that each mean something.
  boolean isStream() {
    return sse;
  }

  /// Passes a piece of the body on, of a stream with the time at which it came.
  void slice(ByteBuf slice, InFlight flight, Ticker ticker) {
    if (!isStream()) {
      slice(slice);
      return;
    }
    long now = ticker.nanos();
    tap.piece(now);
    slice(slice);
    flight.came(tap.events(), now);
  }

  private void slice(ByteBuf slice) {
    tap.slice(slice, sse);
    if (names != null) {
      slice.forEachByte(names);
    }
    ByteArrayOutputStream aside = gathered;
    if (aside == null) {
      relay(renaming == null ? slice : renaming.pass(slice));
    } else {
      byte[] b = new byte[Math.min(slice.readableBytes(), MOST_GATHERED_BYTES - aside.size())];
      slice.getBytes(slice.readerIndex(), b);
      aside.writeBytes(b);
      slice.release();
    }
  }

  private void relay(ByteBuf b) {
    if (b.isReadable()) {
      in.relayBody(b);
    } else {
      b.release();
    }
  }

  /// Sends what waited for the end of a value.
  private void relayRest() {
    if (renaming != null && gathered == null) {
      relay(renaming.rest());
    }
  }

  /// Whether a comment may be written here: not inside an event.
  boolean betweenEvents() {
    return sse && gathered == null && tap.betweenEvents();
  }

  /// Sends what was relayed so far.
  void flush() {
    in.flush();
    noteDone();
  }

  /// Notes that the stream's last event went to the client. A connection that a write has broken is
  /// not writable.
  void noteDone() {
    doneRelayed = doneRelayed || (sse && hasLastEvent() && in.isWritable());
  }

  /// Whether the client has the event that ends its stream, though not yet the last chunk.
  boolean doneRelayed() {
    return doneRelayed;
  }

  /// Whether an end that is nothing but a closed connection cuts this answer short: a stream that
  /// was asked for, without its last event.
  boolean cutByClose() {
    return sse && question.streamForm() != null && !hasLastEvent();
  }

  private boolean hasLastEvent() {
    StreamForm form = question.streamForm();
    return names == null || form == null ? tap.endsWithDone() : form.endsWith(names.last());
  }

  void end() {
    relayRest();
    ByteArrayOutputStream aside = gathered;
    if (aside == null) {
      in.relayEnd();
    } else {
      String said =
          coded(head)
              ? "an answer in the coding " + head.header("content-encoding")
              : aside.toString(StandardCharsets.UTF_8);
      in.breakOff(ApiError.toldInside(head.status(), said, question.shape()));
    }
  }

  /// Ends it so that the client sees that it is not whole; a stream says why.
  void breakOff(ApiError e) {
    relayRest();
    in.breakOff(sse ? lastEvent(e) : new byte[0]);
  }

  /// An error event, on a line of its own.
  private byte[] lastEvent(ApiError e) {
    String start = tap.betweenEvents() ? "" : "\n\n";
    return (start + question.shape().event(e)).getBytes(StandardCharsets.UTF_8);
  }

  /// The fields that tell where a request went and why.
  static List<Header> decision(Account account, Question q, Attempt a, boolean shown) {
    List<Header> set = new ArrayList<>(8);
    set.add(account.idField());
    if (shown) {
      set.add(a.nameField());
      set.add(Objects.requireNonNull(POOLS.get(a.pool())));
      set.add(Objects.requireNonNull(REASONS.get(a.reason())));
      set.add(new Header("x-infini-size", Long.toString(q.size())));
      set.add(new Header("x-infini-threshold", Long.toString(q.threshold())));
      int sends = account.sends();
      set.add(sends == 1 ? ONE_ATTEMPT : new Header(ATTEMPTS, Integer.toString(sends)));
      if (account.queuedNanos() > 0) {
        set.add(new Header("x-infini-queue-ms", Long.toString(account.queuedNanos() / 1_000_000)));
      }
    }
    KeyHolder key = account.key();
    if (key != null) {
      set.addAll(key.fields(q.shape() == ErrorShape.ANTHROPIC));
    }
    return set;
  }
}
