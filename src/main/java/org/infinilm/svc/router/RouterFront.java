package org.infinilm.svc.router;

import org.infinilm.svc.http.Front;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Where requests enter: the router's own routes go to a handler, everything else becomes an
/// exchange.
final class RouterFront implements Front {
  private final Plane plane;
  private final OwnRoutes own;

  RouterFront(Plane plane, OwnRoutes own) {
    this.plane = plane;
    this.own = own;
  }

  @Override
  public void receive(Inbound request) {
    if (OwnRoutes.owns(request.head().path())) {
      String id = plane.ids().of(request.head().header("x-request-id"));
      request.serve(r -> own.handle(r, id));
    } else {
      Exchange.start(plane, request);
    }
  }

  @Override
  public Response refusal(int status, String why, @Nullable String requestId) {
    ApiError e = ApiError.refusal(status, why);
    plane.metrics().refused(e.outcome());
    return e.response(plane.ids().of(requestId), ErrorShape.OPENAI);
  }

  @Override
  public boolean vital(String target) {
    return switch (target) {
      case "/livez", "/readyz", "/health", "/metrics" -> true;
      default -> false;
    };
  }
}
