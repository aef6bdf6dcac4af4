package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.URI;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.IpText;

/// Addresses of this machine.
final class LocalAddress {
  private LocalAddress() {}

  /// The address that packets to `peer` leave from, by the routing table; nothing is sent. For a
  /// name that cannot be resolved now, any address that is not loopback.
  static String toward(URI peer) {
    BaseUrl server = BaseUrl.parse(peer.toString());
    try (DatagramSocket s = new DatagramSocket()) {
      s.connect(
          new InetSocketAddress(InetAddress.getByName(server == null ? null : server.host()), 9));
      InetAddress local = s.getLocalAddress();
      if (!local.isAnyLocalAddress()) {
        return IpText.of(local);
      }
    } catch (IOException unresolvedOrUnroutable) {
      // the interfaces remain
    }
    return anyReachable();
  }

  private static String anyReachable() {
    try {
      return NetworkInterface.networkInterfaces()
          .flatMap(NetworkInterface::inetAddresses)
          .filter(a -> a instanceof Inet4Address && !a.isLoopbackAddress())
          .map(IpText::of)
          .findFirst()
          .orElse("127.0.0.1");
    } catch (SocketException none) {
      return "127.0.0.1";
    }
  }
}
