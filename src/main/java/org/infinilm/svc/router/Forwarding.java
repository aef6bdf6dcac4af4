package org.infinilm.svc.router;

import io.netty.handler.ipfilter.IpFilterRuleType;
import io.netty.handler.ipfilter.IpSubnetFilterRule;
import io.netty.util.NetUtil;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.RequestHead;

/// The chain of addresses that a request came through: X-Forwarded-For, and Forwarded (RFC 7239)
/// where the client sent one. Immutable.
///
/// @param trusted whose chains are believed and continued; empty: everybody's
record Forwarding(List<IpSubnetFilterRule> trusted) {
  private static final List<String> CLAIMS =
      List.of(
          "forwarded",
          "x-forwarded-host",
          "x-forwarded-proto",
          "x-forwarded-port",
          "x-forwarded-prefix",
          "x-forwarded-server",
          "x-forwarded-ssl",
          "x-original-forwarded-for",
          "x-real-ip",
          "x-client-ip",
          "true-client-ip");

  /// @param ranges `10.0.0.0/8, ::1/128, 192.168.1.7`
  /// @param place where they were given, for errors
  /// @throws ConfigException with all that is wrong
  static Forwarding of(String ranges, String place) throws ConfigException {
    List<IpSubnetFilterRule> rules = new ArrayList<>();
    Wrongs wrong = new Wrongs();
    for (String r : ranges.split(",")) {
      String range = r.strip();
      try {
        if (!range.isEmpty()) {
          rules.add(rule(range));
        }
      } catch (IllegalArgumentException e) {
        wrong.add(place + ": " + range + " (expected: addresses or ranges such as 10.0.0.0/8)");
      }
    }
    wrong.end();
    return new Forwarding(List.copyOf(rules));
  }

  private static IpSubnetFilterRule rule(String range) {
    String cidr = range.contains("/") ? range : range + (range.contains(":") ? "/128" : "/32");
    if (NetUtil.createByteArrayFromIpAddressString(cidr.substring(0, cidr.indexOf('/'))) == null) {
      throw new IllegalArgumentException("no address");
    }
    return new IpSubnetFilterRule(cidr, IpFilterRuleType.ACCEPT);
  }

  /// Adds what this request's head must say to `set` and `dropped`.
  void patch(String peer, RequestHead head, List<Header> set, List<String> dropped) {

    if (believes(peer)) {
      set.add(new Header("x-forwarded-for", Via.appended(head.joined("x-forwarded-for"), peer)));
      String chain = head.joined("forwarded");
      if (chain != null) {
        set.add(new Header("forwarded", Via.appended(chain, "for=" + node(peer))));
      }
    } else {
      dropped.addAll(CLAIMS);
      set.add(new Header("x-forwarded-for", peer));
    }
  }

  private boolean believes(String peer) {
    if (trusted.isEmpty()) {
      return true;
    }
    InetSocketAddress address = new InetSocketAddress(peer, 0);
    for (IpSubnetFilterRule r : trusted) {
      if (r.matches(address)) {
        return true;
      }
    }
    return false;
  }

  /// An address as RFC 7239 section 6 writes it.
  private static String node(String peer) {
    return peer.indexOf(':') < 0 ? peer : "\"[" + peer + "]\"";
  }
}
