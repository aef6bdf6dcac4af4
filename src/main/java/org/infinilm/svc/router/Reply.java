package org.infinilm.svc.router;

import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;

/// The client's side of one exchange: an instance's answer, held back until the first byte of its
/// body, or an error in the words of the client's route; a stream that falls silent is kept alive.
/// Event-loop confined.
final class Reply {
  private final Plane plane;
  private final Inbound in;
  private final Account account;
  private final Question question;
  private final @Nullable QuietStream quiet;
  private @Nullable Answer answer;
  private @Nullable Refusal refusal;

  Reply(Plane plane, Inbound in, Account account, Question question) {
    this.plane = plane;
    this.in = in;
    this.account = account;
    this.question = question;
    this.quiet =
        plane
            .config()
            .sseComments()
            .filter(pause -> question.streamForm() != null)
            .map(pause -> new QuietStream(in, account.requestId(), pause, plane.ticker()))
            .orElse(null);
  }

  /// A stream that is kept alive says so much of what is waited for.
  void tells(Supplier<@Nullable String> progress) {
    if (quiet != null) {
      quiet.tells(progress);
    }
  }

  /// An instance has said something before its answer: for the client where that was asked for, but
  /// for the 100 of which the client knows already.
  void interim(ResponseHead head) {
    if (plane.config().relaysInformational() && head.status() != 100) {
      in.relayInterim(head);
    }
  }

  /// An instance has answered; the client hears nothing of it yet.
  void hold(ResponseHead head) {
    follow(new Answer(in, question, head));
    refusal = Refusal.of(head, question.model(), question.route());
  }

  /// Forgets an answer of which the client has nothing.
  void drop() {
    Answer a = answer;
    if (a != null) {
      a.tap().close();
    }
    follow(null);
    forgetRefusal();
  }

  private void forgetRefusal() {
    Refusal r = takeRefusal();
    if (r != null) {
      r.release();
    }
  }

  /// What gathers the held answer's body as long as it may be a refusal for length or model, or
  /// null.
  @Nullable Refusal refusal() {
    return refusal;
  }

  /// The same, which is the caller's from now on.
  @Nullable Refusal takeRefusal() {
    Refusal r = refusal;
    refusal = null;
    return r;
  }

  private void follow(@Nullable Answer a) {
    answer = a;
    if (quiet != null) {
      quiet.follows(a);
    }
  }

  /// The answer that is held back or relayed, or null.
  @Nullable Answer answer() {
    return answer;
  }

  /// Whether the client has anything of an instance's body.
  boolean hasBody() {
    Answer a = answer;
    return a != null && a.tap().bytes() > 0;
  }

  /// Whether an end that is nothing but a closed connection cuts the answer short.
  boolean cutByClose() {
    Answer a = answer;
    return a != null && a.cutByClose();
  }

  /// The answer, its head sent.
  Answer relayed(Attempt from) {
    Answer a = answer;
    if (a == null) {
      throw new IllegalStateException("body before head");
    }
    if (quiet != null) {
      quiet.heard();
    }
    if (!a.begun()) {
      boolean shown = plane.config().decisionHeaders();
      a.begin(Answer.decision(account, question, from, shown), shown);
    }
    return a;
  }

  /// The status that the client sees when it is told of this error.
  int status(ApiError e) {
    Answer a = answer;
    return a != null && a.begun() ? a.status() : e.status();
  }

  /// Tells the client of an error in the way that is left: an answer, an error event, a break.
  void fail(ApiError e) {
    Answer a = answer;
    if (a != null && a.begun()) {
      a.breakOff(e);
      return;
    }
    if (quiet != null && quiet.started()) {
      in.breakOff(question.shape().event(e).getBytes(StandardCharsets.UTF_8));
    } else {
      in.answer(e.response(account.requestId(), question.shape()));
    }
  }

  void end() {
    forgetRefusal();
    if (quiet != null) {
      quiet.end();
    }
  }
}
