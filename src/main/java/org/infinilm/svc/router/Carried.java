package org.infinilm.svc.router;

import io.netty.util.NetUtil;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.UpstreamEvents;
import org.jspecify.annotations.Nullable;

/// A request that somebody else carries to an instance, and its answer back: [Inbound#send] tells
/// where it is to go, once, and what is relayed is what may be changed on the way. Event-loop
/// confined like every [Inbound].
public interface Carried extends Inbound {
  /// Hears who answers, when it is not the first that was told.
  interface Served {
    /// Another one has answered: the first has failed on the request. Before the answer's head.
    ///
    /// @param endpoint as [#endpoint] writes it
    /// @return who hears of the answer from now on; null for an endpoint that was not told
    @Nullable UpstreamEvents by(String endpoint);
  }

  /// The endpoints among which one may be chosen, as [#endpoint] writes them; null for all.
  @Nullable Set<String> subset();

  /// How many others than the chosen one are to be told at most.
  int mostOthers();

  /// Whom to ask after the one of the call that follows, in this order, where that one cannot be
  /// reached; told right before [Inbound#send].
  void others(List<Origin> inOrder, Served served);

  /// The status of the answer that who carries it gives by itself, where the call has failed with
  /// [org.infinilm.svc.http.Failure.Kind#PROXY_ANSWERED].
  int ownStatus();

  /// An address as endpoints are written: `10.0.0.1:80`, `[2001:db8::1]:80`, and as Envoy does it
  /// with the number of a zone, `[fe80::1%2]:80`; null for one that is none (a unix socket).
  static @Nullable String endpoint(Origin of) {
    if (!(of.address() instanceof InetSocketAddress a) || a.getAddress() == null) {
      return null;
    }
    return a.getAddress() instanceof Inet6Address six && six.getScopeId() != 0
        ? "[" + NetUtil.toAddressString(six) + "%" + six.getScopeId() + "]:" + a.getPort()
        : IpText.of(a);
  }
}
