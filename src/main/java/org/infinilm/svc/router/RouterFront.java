package org.infinilm.svc.router;

import org.infinilm.svc.http.Front;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Response;

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
      new Exchange(plane, request).start();
    }
  }

  @Override
  public Response refusal(int status, String why) {
    return ApiError.refusal(status, why).response(plane.ids().of(null));
  }
}
