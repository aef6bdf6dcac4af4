package org.infinilm.svc.router;

import java.time.Duration;
import java.util.function.Supplier;
import org.infinilm.svc.http.Front;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Where requests enter: the router's own routes go to a handler, everything else becomes an
/// exchange.
final class RouterFront implements Front {
  /// Own routes read no body; what some clients send along is passed over.
  private static final int OWN_BODY_BYTES = 64 << 10;

  private final Supplier<RouterConfig> settings;
  private final OwnRoutes own;
  private final boolean carries;
  private volatile Plane last;

  /// @param carries whether requests that come in by the listener go to instances; where they do
  ///   not, somebody else carries those that [#pick] is asked about
  RouterFront(Plane plane, Supplier<RouterConfig> settings, OwnRoutes own, boolean carries) {
    this.last = plane;
    this.settings = settings;
    this.own = own;
    this.carries = carries;
  }

  /// What a request that comes now shares with the others.
  @SuppressWarnings("ReferenceEquality") // settings in force are one object
  private Plane plane() {
    RouterConfig now = settings.get();
    Plane p = last;
    if (p.config() != now) {
      p = p.with(now);
      last = p;
    }
    return p;
  }

  @Override
  public void receive(Inbound request) {
    if (OwnRoutes.owns(request.head().path())) {
      String id = plane().ids().of(request.head().header("x-request-id"));
      if (request.head().path().equals("/events") && request.head().method().equals("GET")) {
        own.listen(request, id);
      } else {
        request.serve(r -> own.handle(r, id));
      }
    } else if (carries) {
      Reading.start(plane(), request, Exchange::start);
    } else {
      String path = request.head().path();
      Response no =
          OwnRoutes.error(404, "not_found", path + " (expected: a route of the picker's)");
      request.answer(
          no.with("x-request-id", plane().ids().of(request.head().header("x-request-id"))));
    }
  }

  /// Chooses for a request that somebody else carries, on its event loop. Our own routes are no
  /// instance's: it gets the list of models and whether we live, the rest at our own listener.
  void pick(Carried request) {
    String path = request.head().path();
    if (OwnRoutes.owns(path)) {
      String id = plane().ids().of(request.head().header("x-request-id"));
      if (OwnRoutes.isForClients(path)) {
        request.serve(r -> own.handle(r, id));
      } else {
        Response no =
            OwnRoutes.error(
                404,
                "not_found",
                path + " is the picker's own (expected: a route of a model server's)");
        request.answer(no.with("x-request-id", id));
      }
    } else {
      Reading.start(
          plane(),
          request,
          (p, in, account, asked, body) -> Pick.start(p, request, account, asked, body));
    }
  }

  @Override
  public Response refusal(int status, String why, Asked asked) {
    String path = path(asked.target());
    String method = asked.method();
    if (status == 413
        && method != null
        && OwnRoutes.owns(path)
        && !OwnRoutes.acts(path)
        && !OwnRoutes.allows(method)) {
      return OwnRoutes.notAllowed(method, path)
          .with("x-request-id", plane().ids().of(asked.requestId()));
    }
    return told(ApiError.refusal(status, why), path, asked, null);
  }

  /// Who sends much and is nobody is told so before it has come.
  @Override
  public @Nullable Response unwelcome(RequestHead head) {
    if (plane().keys().isEmpty() || OwnRoutes.owns(head.path())) {
      return null;
    }
    return plane().keys().who(head::header) instanceof KeyRing.Stranger s
        ? told(
            s.error(),
            head.path(),
            new Asked(head.method(), head.target(), head.header("x-request-id")),
            s.key())
        : null;
  }

  @Override
  public Response ending(Asked asked) {
    return told(ApiError.shuttingDown(), path(asked.target()), asked, null);
  }

  /// @param key name of the key that it came with, where that opens nothing any more
  private Response told(ApiError e, String path, Asked asked, @Nullable String key) {
    String id = plane().ids().of(asked.requestId());
    Account.refused(plane(), id, asked.method(), path, e, key);
    return e.response(id, Route.of(path).errors());
  }

  private static String path(@Nullable String target) {
    if (target == null) {
      return "";
    }
    int q = target.indexOf('?');
    return q < 0 ? target : target.substring(0, q);
  }

  /// How long a request may wait for a place, by the settings in force.
  Duration queueTimeout() {
    return plane().config().seating().queueTimeout();
  }

  @Override
  public long mostBodyBytes(String target) {
    return OwnRoutes.owns(path(target)) ? OWN_BODY_BYTES : Long.MAX_VALUE;
  }

  @Override
  public boolean vital(String target) {
    return switch (path(target)) {
      case "/livez", "/readyz", "/health", "/status", "/metrics" -> true;
      default -> false;
    };
  }
}
