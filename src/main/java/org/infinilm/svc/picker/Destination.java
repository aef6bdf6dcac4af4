package org.infinilm.svc.picker;

import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Outgoing;
import org.infinilm.svc.router.Carried;

/// A call to an instance as Envoy is told of it. Stateless.
final class Destination {
  /// Fields of a proxy, which Envoy sets as it is configured.
  private static final Set<String> OF_PROXIES = Set.of("via", "x-forwarded-for", "forwarded");

  private Destination() {}

  /// @param others whom to ask after the call's own
  /// @param most of them that may be asked: where they are fewer, all are told again in their
  ///   order. Who asks past the end of the list asks anybody, with what is for these alone
  /// @param head the client's
  static ProcessingResponse of(Outgoing call, List<Origin> others, int most, Fields head) {
    List<String> told = new ArrayList<>();
    told.add(String.valueOf(Carried.endpoint(call.origin())));
    others.forEach(o -> told.add(String.valueOf(Carried.endpoint(o))));
    for (int k = 0; told.size() <= most; k++) {
      told.add(told.get(k));
    }
    return Replies.destination(String.join(",", told), set(call, head), removed(call, head));
  }

  private static List<Header> set(Outgoing call, Fields head) {
    List<Header> out = new ArrayList<>();
    for (Header h : call.patch().set()) {
      if (!OF_PROXIES.contains(h.name())) {
        out.add(h);
      }
    }
    String prefix = call.origin().prefix();
    if (!prefix.isEmpty()) {
      out.add(new Header(":path", prefix + head.target()));
    }
    return out;
  }

  private static List<String> removed(Outgoing call, Fields head) {
    List<String> out = new ArrayList<>(call.patch().dropped());
    for (String name : Gateway.CONTROL) {
      if (head.has(name)) {
        out.add(name);
      }
    }
    return out;
  }
}
