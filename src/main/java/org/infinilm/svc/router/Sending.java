package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.infinilm.svc.http.TimeLimits;
import org.jspecify.annotations.Nullable;

/// One request as instances get it: the client's own, with the fields of a proxy, and with the body
/// that names the model as they know it. Event-loop confined.
final class Sending {
  /// What a request says of the very bytes of its body, in its head or behind it.
  private static final List<String> OF_THE_BYTES =
      List.of("content-md5", "content-digest", "repr-digest", "digest");

  private static final Header AS_IT_IS = Header.prepared("accept-encoding", "identity");

  private final Plane plane;
  private final Inbound in;
  private final Question question;
  private final Account account;
  private final @Nullable Trace trace;
  private final boolean consumed;

  /// The body to send when it is not the client's own.
  private @Nullable Rewritten body;

  /// @param body to send instead of the client's own, or null; released by [#end]
  Sending(Plane plane, Inbound in, Question question, Account account, @Nullable Rewritten body) {
    this.plane = plane;
    this.in = in;
    this.question = question;
    this.account = account;
    this.trace = account.trace();
    this.consumed = account.key() != null;
    this.body = body;
  }

  void send(Attempt a, TimeLimits limits) {
    List<Header> set = new ArrayList<>(5);
    List<String> dropped = new ArrayList<>(0);
    Rewritten b = body;
    if (b != null) {
      dropped.addAll(OF_THE_BYTES);
      if (b.decoded()) {
        dropped.add("content-encoding");
      }
    }
    set.add(account.idField());
    set.add(plane.via().after(in.head().joined("via"), in.head().isHttp10()));
    plane.config().forwarding().patch(in.peer(), in.head(), set, dropped);
    if (question.answersAs() != null
        || (plane.config().sseComments().isPresent() && question.streamForm() != null)) {
      // comments and another model can be put into a plain answer only
      set.add(AS_IT_IS);
    }
    Header authorization = a.authorization();
    if (authorization != null || consumed) {
      // the client's own credentials are for nobody else
      dropped.addAll(KeyRing.FIELDS);
    }
    if (authorization != null) {
      dropped.add("cookie");
      set.add(authorization);
    }
    Trace t = trace;
    if (t != null) {
      t.goes(a, set, dropped);
    }
    ByteBuf other = b == null ? null : b.body().retainedDuplicate();
    a.send(in, new HeadPatch(dropped, set), other, limits);
  }

  /// No attempt follows.
  void end() {
    Rewritten b = body;
    body = null;
    if (b != null) {
      b.release();
    }
  }
}
