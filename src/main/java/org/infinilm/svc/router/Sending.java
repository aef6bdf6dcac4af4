package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ModelRewrite;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.TimeLimits;
import org.jspecify.annotations.Nullable;

/// One request as instances get it: the client's own, with the fields of a proxy and the name by
/// which they know the model. Event-loop confined.
final class Sending {
  private final Plane plane;
  private final Inbound in;
  private final Question question;
  private final String requestId;

  /// The instances' name of a model that the client calls otherwise; null once it is in the body.
  private @Nullable String alias;

  /// The body to send when it is not the client's own.
  private @Nullable ByteBuf body;

  private boolean bodyDecoded;

  Sending(Plane plane, Inbound in, Question question, String requestId) {
    this.plane = plane;
    this.in = in;
    this.question = question;
    this.requestId = requestId;
    this.alias = question.renamed() ? question.model() : null;
  }

  /// Puts an instance's name of the model in place of the alias in the body.
  private void rename(String model) {
    RequestHead h = in.head();
    ModelRewrite.Rewritten r =
        ModelRewrite.of(in.body(), h.header("content-type"), h.joined("content-encoding"), model);
    body = r.body();
    bodyDecoded = r.decoded();
  }

  void send(Attempt a, TimeLimits limits) {
    String model = alias;
    if (model != null) {
      alias = null;
      rename(model);
    }
    List<Header> set = new ArrayList<>(5);
    List<String> dropped = new ArrayList<>(0);
    if (bodyDecoded) {
      dropped.add("content-encoding");
    }
    set.add(new Header("x-request-id", requestId));
    set.add(new Header("via", Via.appended(in.head().joined("via"), plane.via().own())));
    plane.config().forwarding().patch(in.peer(), in.head(), set, dropped);
    if (plane.config().sseComments().isPresent() && question.streamForm() != null) {
      // comments can be put into a plain stream only
      set.add(new Header("accept-encoding", "identity"));
    }
    String authorization = a.authorization();
    if (authorization != null) {
      // the client's own credentials are for nobody else
      dropped.add("x-api-key");
      dropped.add("api-key");
      set.add(new Header("authorization", authorization));
    }
    ByteBuf own = body == null ? null : body.retainedDuplicate();
    a.send(in, new HeadPatch(dropped, set), own, limits);
  }

  /// No attempt follows.
  void end() {
    ByteBuf b = body;
    body = null;
    if (b != null) {
      b.release();
    }
  }
}
