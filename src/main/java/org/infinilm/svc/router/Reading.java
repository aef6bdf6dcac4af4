package org.infinilm.svc.router;

import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.ModelRewrite;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.router.Decisions.Said;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A complete request until it is known what it asks for: reads its body, puts the instances' name
/// of the model into it, and hands it on (to an [Exchange], a [Pick]), or answers what cannot be
/// given.
///
/// Bodies that take long to read (large, or in a content coding) are read apart from the event
/// loop; all else here is confined to it.
final class Reading implements InboundEvents {
  private static final Logger LOG = LoggerFactory.getLogger(Reading.class);

  /// Larger bodies are read apart; a few milliseconds' worth.
  private static final int LARGE_BYTES = 1 << 20;

  /// Encoded bodies of no more are read at once: with the bound on what a coding may expand to,
  /// that is little too, and they need not wait for others' large ones.
  private static final int SMALL_BYTES = 1024;

  /// Takes over a request of which it is known what it asks for, on its event loop.
  interface Next {
    /// @param body what instances get instead of the client's own, or null; ownership passes
    void asked(
        Plane plane, Inbound in, Account account, Question question, @Nullable Rewritten body);
  }

  private final Plane plane;
  private final Inbound in;
  private final Next next;
  private final Account account;
  private final Route route;
  private final long bytes;
  private boolean over;

  /// What came of reading.
  ///
  /// @param body to be sent instead of the client's own, or null
  private record Read(Question.Result result, @Nullable Rewritten body) {}

  private Reading(Plane plane, Inbound in, Next next) {
    this.plane = plane;
    this.in = in;
    this.next = next;
    this.account = new Account(plane, in);
    this.route = Route.of(in.head().path());
    this.bytes = in.body().readableBytes();
  }

  /// Takes a request over, on its event loop.
  static void start(Plane plane, Inbound in, Next next) {
    Reading r = new Reading(plane, in, next);
    in.events(r);
    if (plane.keys().isEmpty() ? r.isAdmin() : !r.known()) {
      return;
    }
    if (takesLong(in)) {
      in.apart(r::read, r::done);
    } else {
      r.done(r.read());
    }
  }

  /// Whether the admin token came with a request for instances, who are not to see it; he was told
  /// so. Where there are keys it is none of them.
  private boolean isAdmin() {
    RequestHead h = in.head();
    String token = plane.config().adminToken();
    if (token == null || !isAmong(token, h)) {
      return false;
    }
    tell(
        ApiError.unauthorized(
            "invalid_api_key",
            "the admin token at "
                + ModelNames.shown(h.path())
                + ", which is for instances (expected: it at the router's own routes alone)"));
    return true;
  }

  private static boolean isAmong(String token, RequestHead h) {
    for (String field : KeyRing.FIELDS) {
      String values = h.joined(field);
      if (values != null && (isIn(token, values) || isInOne(token, values))) {
        return true;
      }
    }
    return false;
  }

  private static boolean isInOne(String token, String values) {
    return values.indexOf(',') >= 0
        && Stream.of(values.split(",")).map(String::strip).anyMatch(v -> isIn(token, v));
  }

  /// With or without a scheme before it.
  private static boolean isIn(String token, String value) {
    return Access.isToken(token, value) || Access.isToken(token, KeyRing.SCHEME + value);
  }

  /// Finds out who asks; false when he was told why not.
  private boolean known() {
    return switch (plane.keys().who(in.head()::header)) {
      case KeyHolder k -> {
        account.by(k);
        yield true;
      }
      case KeyRing.Stranger s -> {
        account.by(s);
        tell(s.error());
        yield false;
      }
    };
  }

  /// Any coding may hold a multiple of what was sent.
  private static boolean takesLong(Inbound in) {
    RequestHead h = in.head();
    return h.method().equals("POST")
        && (in.body().readableBytes() > LARGE_BYTES
            || (in.body().readableBytes() > SMALL_BYTES && h.header("content-encoding") != null));
  }

  private Read read() {
    try {
      if (plane.via().loops(in.head().joined("via"))) {
        return wrong(ApiError.loop());
      }
      KeyHolder k = account.key();
      Question.Result r = Questions.read(plane, in, k == null ? null : k.key());
      return r instanceof Question.Asked a && a.question().renamed()
          ? renamed(a)
          : new Read(r, null);
    } catch (RuntimeException e) {
      LOG.error("request {} could not be read", account.requestId(), e);
      return wrong(ApiError.internal());
    }
  }

  private Read renamed(Question.Asked asked) {
    RequestHead h = in.head();
    Rewritten body =
        ModelRewrite.of(
            in.body(),
            Questions.contentType(h, route),
            h.joined("content-encoding"),
            String.valueOf(asked.question().model()),
            in.room());
    return body == null ? wrong(ApiError.noMemory()) : new Read(asked, body);
  }

  private Read wrong(ApiError e) {
    return new Read(Question.Wrong.of(e, route), null);
  }

  private void done(Read read) {
    if (over) {
      Rewritten unused = read.body();
      if (unused != null) {
        unused.release();
      }
      return;
    }
    over = true;
    switch (read.result()) {
      case Question.Asked a -> {
        ApiError no = account.enter(a.question());
        if (no == null) {
          next.asked(plane, in, account, a.question(), read.body());
        } else {
          deny(no, a.question(), read.body());
        }
      }
      case Question.Wrong w -> {
        KeyHolder k = account.key();
        if (k != null && w.error().status() == 403) {
          k.refused(KeyRing.Cause.MODEL);
        }
        tell(w);
      }
    }
  }

  private void deny(ApiError e, Question q, @Nullable Rewritten unused) {
    if (unused != null) {
      unused.release();
    }
    account.close(
        e.outcome(), e.status(), Said.of(e, null), q, null, List.of(), List.of(), null, null);
    in.answer(account.limits(e.response(account.requestId(), q.shape()), q.shape()));
  }

  private void tell(ApiError e) {
    tell(Question.Wrong.of(e, route));
  }

  private void tell(Question.Wrong w) {
    over = true;
    account.unread(w, bytes);
    in.answer(w.error().response(account.requestId(), w.shape()));
  }

  @Override
  public void writable(boolean on) {}

  @Override
  public void gone() {
    if (!over) {
      over = true;
      account.left(bytes);
    }
  }

  @Override
  public void shutdown() {
    if (!over) {
      tell(ApiError.shuttingDown());
    }
  }

  @Override
  public void fault() {
    if (!over) {
      tell(ApiError.internal());
    }
  }
}
