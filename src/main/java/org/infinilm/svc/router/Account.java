package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.router.Decisions.Said;
import org.infinilm.svc.trace.Traces;
import org.jspecify.annotations.Nullable;

/// The record of one request: who asked what and when, and, once, how it ended. Event-loop
/// confined.
final class Account {
  /// Characters of a path that the record keeps.
  private static final int MOST_PATH = 512;

  private final Plane plane;
  private final String requestId;
  private final String method;
  private final String path;
  private final long startNanos;
  private final @Nullable Trace trace;
  private @Nullable Header idField;
  private int sends;
  private long waitsSinceNanos;
  private long queuedNanos;
  private Forecast compared = Forecast.NONE;
  private @Nullable KeyHolder key;
  private @Nullable String keyName;

  /// Whether the key counts it in, and the tokens that were taken for it.
  private boolean entered;

  private long reserved;

  /// Of a request of which there is no question.
  private long unreadSize;

  private long unreadBytes;

  Account(Plane plane, Inbound in) {
    this.plane = plane;
    this.startNanos = plane.ticker().nanos();
    this.requestId = plane.ids().of(in.head().header("x-request-id"));
    this.method = in.head().method();
    this.path = shortened(in.head().path());
    Traces<Trace> traces = plane.traces();
    this.trace = traces == null ? null : Trace.begin(traces, in);
  }

  private static String shortened(String path) {
    return path.length() > MOST_PATH ? path.substring(0, MOST_PATH) + "..." : path;
  }

  /// Records what was refused before it was a request: what is not known of it is a hyphen. On any
  /// thread.
  ///
  /// @param key name of the key that it came with, where that opens nothing any more
  static void refused(
      Plane plane,
      String requestId,
      @Nullable String method,
      String path,
      ApiError e,
      @Nullable String key) {
    plane.metrics().refused(e.outcome());
    plane
        .decisions()
        .put(
            new Decisions.Decision(
                plane.decisions().claim(),
                requestId,
                plane.ticker().epochMillis(),
                plane.ticker().nanos(),
                method == null ? "-" : method,
                path.isEmpty() ? "-" : shortened(path),
                "",
                0,
                0,
                0,
                null,
                null,
                null,
                Roll.NONE,
                List.of(),
                List.of(),
                e.outcome(),
                e.status(),
                0,
                0,
                0,
                0,
                0,
                0,
                null,
                0,
                Forecast.NONE,
                0,
                key,
                Said.of(e, null),
                null));
  }

  String requestId() {
    return requestId;
  }

  /// The field that tells it to instance and client.
  Header idField() {
    Header h = idField;
    if (h == null) {
      h = new Header("x-request-id", requestId);
      idField = h;
    }
    return h;
  }

  /// Its trace, or null where there are none.
  @Nullable Trace trace() {
    return trace;
  }

  /// Notes what was compared while it waited, for the record of one that is refused.
  void compared(Forecast f) {
    compared = f;
  }

  /// Notes whose key it came with.
  void by(KeyHolder k) {
    key = k;
    keyName = k.name();
  }

  /// Notes that it came with no key that opens anything.
  void by(KeyRing.Stranger s) {
    keyName = s.key();
  }

  /// Whose key it came with; null where there are no keys.
  @Nullable KeyHolder key() {
    return key;
  }

  /// Counts it in with its key; what it is told when a limit is met, else null.
  @Nullable ApiError enter(Question q) {
    KeyHolder k = key;
    if (k == null) {
      return null;
    }
    return switch (k.enter(estimate(q))) {
      case Allowance.Granted g -> {
        entered = true;
        reserved = g.reserved();
        yield null;
      }
      case Allowance.Denied d -> {
        k.refused(KeyRing.Cause.of(d.limit()));
        yield k.denied(d);
      }
    };
  }

  /// Tokens of its prompt, and what this model's answers come to, as far as the client allows.
  private long estimate(Question q) {
    long usual = plane.learner().rates(q.model()).outputTokens();
    long most = q.maxTokens();
    return q.promptTokens() + (most == 0 || (usual > 0 && usual < most) ? usual : most);
  }

  /// An answer of ours, with what is left of its key's limits.
  Response limits(Response r, ErrorShape shape) {
    Response out = r;
    KeyHolder k = key;
    if (k != null) {
      for (Header h : k.fields(shape == ErrorShape.ANTHROPIC)) {
        out = out.with(h.name(), h.value());
      }
    }
    return out;
  }

  /// Counts it out, with the tokens that it came to.
  private void leave(Decisions.Decision d, @Nullable Question asked) {
    KeyHolder k = key;
    if (k == null) {
      return;
    }
    k.ended(d.outcome(), d.usage());
    if (entered) {
      entered = false;
      k.leave(reserved, cost(d, asked == null ? 0 : asked.promptTokens(), reserved));
    }
  }

  /// What a request costs its key: nothing when it failed, however far its answer came; of a whole
  /// answer what its `usage` says, else its prompt and one for each event of a stream, else what
  /// was taken for it. A client that leaves pays for what had come until then, whatever `usage` had
  /// said so far.
  static long cost(Decisions.Decision d, long prompt, long reserved) {
    Usage u = d.usage();
    long told = u == null ? 0 : u.promptTokens() + u.completionTokens();
    long came = d.events() > 0 ? prompt + d.events() : reserved;
    long started = d.events() > 0 || d.responseBytes() > 0 ? came : prompt;
    return switch (d.outcome()) {
      case OK -> u == null ? came : told;
      case CLIENT_GONE -> d.attempts() == 0 ? 0 : Math.max(told, started);
      default -> 0;
    };
  }

  /// Time since the request was complete.
  long elapsedNanos() {
    return plane.ticker().nanos() - startNanos;
  }

  /// When the request was complete: its age in the line, whatever it has been through since.
  long sinceNanos() {
    return startNanos;
  }

  /// It waits for a seat from now on, if it did not already.
  void waits() {
    if (waitsSinceNanos == 0) {
      long now = plane.ticker().nanos();
      waitsSinceNanos = now == 0 ? 1 : now;
    }
  }

  /// Whether it waits for a seat now.
  boolean isWaiting() {
    return waitsSinceNanos != 0;
  }

  /// The path, as far as it is kept.
  String path() {
    return path;
  }

  /// How long it has waited for seats in all.
  long waitedNanos() {
    return queuedNanos + (waitsSinceNanos == 0 ? 0 : plane.ticker().nanos() - waitsSinceNanos);
  }

  /// Its wait for a seat is over, if it waited.
  void waited() {
    if (waitsSinceNanos == 0) {
      return;
    }
    long now = plane.ticker().nanos();
    queuedNanos += now - waitsSinceNanos;
    if (trace != null) {
      trace.waited(waitsSinceNanos, now);
    }
    waitsSinceNanos = 0;
  }

  /// Whether it was taken in once already: it was sent, or has waited.
  boolean takenIn() {
    return sends > 0 || queuedNanos > 0 || waitsSinceNanos != 0;
  }

  /// Time that it waited for seats; 0 when it never did.
  long queuedNanos() {
    return queuedNanos;
  }

  void sent() {
    sends++;
  }

  /// Attempts that were sent.
  int sends() {
    return sends;
  }

  /// Closes it for a request that asks for nothing that can be given.
  ///
  /// @param bytes of its body
  void unread(Question.Wrong w, long bytes) {
    ApiError e = w.error();
    unreadSize = w.size();
    unreadBytes = bytes;
    Said said = Said.of(e, w.model());
    close(e.outcome(), e.status(), said, null, null, List.of(), List.of(), null, null);
  }

  /// Closes it for a client that left before its request was read.
  ///
  /// @param bytes of its body
  void left(long bytes) {
    unreadBytes = bytes;
    close(Outcome.CLIENT_GONE, 499, null, null, null, List.of(), List.of(), null, null);
  }

  /// Closes it: metrics, decision, facts.
  ///
  /// @param said what the client is told in place of an instance's answer, or null
  /// @param asked null when the request could not be read
  /// @param tried instances on which it failed
  /// @param avoided those that were passed over for its model or session
  /// @param last the last attempt, or null when there was none
  /// @param answer what was relayed, or null
  void close(
      Outcome outcome,
      int status,
      @Nullable Said said,
      @Nullable Question asked,
      @Nullable Candidates candidates,
      List<Instance> tried,
      List<Instance> avoided,
      @Nullable Attempt last,
      @Nullable Answer answer) {
    waited();
    ResponseTap tap = answer == null ? null : answer.tap();
    long now = plane.ticker().nanos();
    String model = asked == null || asked.model() == null ? "" : asked.model();
    long bytes = asked == null ? unreadBytes : asked.bodyBytes();
    Instance i = last == null ? null : last.instance();
    long dispatched = last == null ? 0 : last.dispatchNanos();
    long firstByte = last == null ? 0 : last.firstByteNanos();
    long ttft = firstByte == 0 ? 0 : firstByte - startNanos;
    Decisions.Decision d =
        new Decisions.Decision(
            plane.decisions().claim(),
            requestId,
            plane.ticker().epochMillis(),
            now,
            method,
            path,
            model,
            asked == null ? unreadSize : asked.size(),
            asked == null ? 0 : asked.threshold(),
            asked == null ? 0 : asked.needTokens(),
            last == null ? null : last.pool(),
            i == null ? null : i.name(),
            last == null ? null : last.reason(),
            candidates == null ? Roll.NONE : candidates.roll(),
            names(tried),
            names(avoided),
            outcome,
            status,
            sends,
            queuedNanos,
            ttft,
            now - startNanos,
            bytes,
            tap == null ? 0 : tap.bytes(),
            answer == null ? null : answer.usage(),
            tap == null ? 0 : tap.events(),
            last == null ? compared : last.flight().forecast(),
            last == null ? 0 : last.flight().sentToFirstNanos(),
            keyName,
            said,
            trace == null ? null : trace.context().traceId());
    leave(d, asked);
    plane.decisions().put(d);
    plane.metrics().settled(d, i, tap == null ? null : tap.tape());
    if (trace != null) {
      boolean streamed = asked != null && asked.streamForm() != null;
      long most = asked == null ? 0 : asked.maxTokens();
      trace.ended(new Trace.End(d, startNanos, now, plane.ticker().now(), streamed, most));
    }
    if (last != null && i != null && (tap != null || last.dispatchNanos() != 0)) {
      boolean ok = outcome == Outcome.OK;
      Prompt prompt = ok && asked != null ? asked.prompt() : null;
      boolean logged = plane.config().learning().logFile() != null;
      boolean keyed = asked != null && asked.affinity() != 0;
      if (prompt == null && !logged && !keyed && !plane.admission().learns()) {
        // nobody would make anything of it
        return;
      }
      Facts facts =
          new Facts(
              i,
              model,
              bytes,
              dispatched,
              firstByte,
              now,
              tap == null ? 0 : tap.events(),
              tap == null ? 0 : tap.bytes(),
              ok ? d.usage() : null,
              ok,
              ok
                  && answer != null
                  && asked != null
                  && answer.isCutAtOnce(d.usage(), asked.maxTokens(), now - dispatched));
      if (asked != null && (keyed || logged)) {
        facts = facts.about(asked.ask());
      }
      boolean line = logged && tap != null;
      plane.learner().offer(last.flight().with(facts), prompt, line ? d : null);
    }
  }

  private static List<String> names(List<Instance> of) {
    return of.isEmpty() ? List.of() : of.stream().map(Instance::name).toList();
  }
}
