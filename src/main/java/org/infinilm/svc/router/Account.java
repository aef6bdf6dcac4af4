package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Forecast;
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
  private int sends;
  private long waitsSinceNanos;
  private long queuedNanos;

  Account(Plane plane, Inbound in) {
    this.plane = plane;
    this.startNanos = plane.ticker().nanos();
    this.requestId = plane.ids().of(in.head().header("x-request-id"));
    this.method = in.head().method();
    this.path = shortened(in.head().path());
  }

  private static String shortened(String path) {
    return path.length() > MOST_PATH ? path.substring(0, MOST_PATH) + "..." : path;
  }

  /// Records what was refused before it was a request: what is not known of it is a hyphen. On any
  /// thread.
  static void refused(
      Plane plane, String requestId, @Nullable String method, String path, ApiError e) {
    plane.metrics().refused(e.outcome());
    plane
        .decisions()
        .put(
            new Decisions.Decision(
                plane.decisions().claim(),
                requestId,
                plane.ticker().now().toEpochMilli(),
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
                0));
  }

  String requestId() {
    return requestId;
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
    long nanos = plane.ticker().nanos() - waitsSinceNanos;
    queuedNanos += nanos;
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
  void unread(ApiError e) {
    close(e.outcome(), e.status(), null, null, null, null, null);
  }

  /// Closes it: metrics, decision, facts.
  ///
  /// @param asked null when the request could not be read
  /// @param retries what it has tried, or null when it had not begun
  /// @param last the last attempt, or null when there was none
  /// @param answer what was relayed, or null
  void close(
      Outcome outcome,
      int status,
      @Nullable Question asked,
      @Nullable Candidates candidates,
      @Nullable Retries retries,
      @Nullable Attempt last,
      @Nullable Answer answer) {
    waited();
    ResponseTap tap = answer == null ? null : answer.tap();
    long now = plane.ticker().nanos();
    String model = asked == null || asked.model() == null ? "" : asked.model();
    long bytes = asked == null ? 0 : asked.bodyBytes();
    Instance i = last == null ? null : last.instance();
    long dispatched = last == null ? 0 : last.dispatchNanos();
    long firstByte = last == null ? 0 : last.firstByteNanos();
    long ttft = firstByte == 0 ? 0 : firstByte - startNanos;
    Decisions.Decision d =
        new Decisions.Decision(
            plane.decisions().claim(),
            requestId,
            plane.ticker().now().toEpochMilli(),
            method,
            path,
            model,
            asked == null ? 0 : asked.size(),
            asked == null ? 0 : asked.threshold(),
            asked == null ? 0 : asked.needTokens(),
            last == null ? null : last.pool(),
            i == null ? null : i.name(),
            last == null ? null : last.reason(),
            candidates == null ? Roll.NONE : candidates.roll(),
            names(retries == null ? List.of() : retries.tried()),
            names(retries == null ? List.of() : retries.avoided()),
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
            last == null ? Forecast.NONE : last.flight().forecast(),
            last == null ? 0 : last.flight().sentToFirstNanos());
    plane.decisions().put(d);
    plane.metrics().settled(d, i, tap == null ? null : tap.tape());
    if (last != null && i != null && tap != null) {
      boolean ok = outcome == Outcome.OK;
      Facts facts =
          new Facts(
              i,
              model,
              bytes,
              dispatched,
              firstByte,
              now,
              tap.events(),
              tap.bytes(),
              ok ? d.usage() : null,
              ok);
      boolean logged = plane.config().learning().logFile() != null;
      if (asked != null && (asked.affinity() != 0 || logged)) {
        facts = facts.about(asked.ask());
      }
      Prompt prompt = asked == null ? null : asked.prompt();
      plane.learner().offer(last.flight().with(facts), ok ? prompt : null, logged ? d : null);
    }
  }

  private static List<String> names(List<Instance> of) {
    return of.isEmpty() ? List.of() : of.stream().map(Instance::name).toList();
  }
}
