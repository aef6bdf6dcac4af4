package org.infinilm.svc.http;

import java.net.InetAddress;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// Who may connect: a limit in total and one for each peer (an IPv4 address, an IPv6 /64). Over
/// them a few connections more are let in for health checks alone; further ones are closed.
/// Thread-safe.
final class Places {
  /// Connections over the limit that are still read.
  static final int RESERVE = 64;

  enum Place {
    FULL,
    RESERVED,
    USUAL
  }

  private final int most;
  private final int mostPerPeer;
  private final AtomicInteger usual = new AtomicInteger();
  private final AtomicInteger reserved = new AtomicInteger();
  private final AtomicLong turnedAway = new AtomicLong();
  private final Map<Peer, Integer> perPeer = new ConcurrentHashMap<>();

  private record Peer(long bits, boolean v6) {
    static Peer of(InetAddress a) {
      byte[] b = a.getAddress();
      long bits = 0;
      for (byte x : Arrays.copyOf(b, Math.min(8, b.length))) {
        bits = bits << 8 | (x & 0xff);
      }
      return new Peer(bits, b.length > 4);
    }
  }

  /// @param mostPerPeer 0 for no limit; loopback has none
  Places(int most, int mostPerPeer) {
    this.most = most;
    this.mostPerPeer = mostPerPeer;
  }

  /// Takes a place; [#leave] gives it back unless it is [Place#FULL].
  Place enter(InetAddress peer) {
    if (usual.incrementAndGet() <= most) {
      if (!limited(peer) || perPeer.merge(Peer.of(peer), 1, Integer::sum) <= mostPerPeer) {
        return Place.USUAL;
      }
      release(peer);
    }
    usual.decrementAndGet();
    turnedAway.incrementAndGet();
    if (reserved.incrementAndGet() <= RESERVE) {
      return Place.RESERVED;
    }
    reserved.decrementAndGet();
    return Place.FULL;
  }

  void leave(InetAddress peer, Place place) {
    switch (place) {
      case USUAL -> {
        usual.decrementAndGet();
        if (limited(peer)) {
          release(peer);
        }
      }
      case RESERVED -> reserved.decrementAndGet();
      case FULL -> {}
    }
  }

  private boolean limited(InetAddress peer) {
    return mostPerPeer > 0 && !peer.isLoopbackAddress();
  }

  private void release(InetAddress peer) {
    perPeer.computeIfPresent(Peer.of(peer), (p, n) -> n == 1 ? null : n - 1);
  }

  int open() {
    return usual.get() + reserved.get();
  }

  /// Connections that came over a limit.
  long turnedAway() {
    return turnedAway.get();
  }

  int most() {
    return most;
  }

  /// The limit that a peer is over which was given a reserved place.
  String limit(InetAddress peer) {
    Integer its = limited(peer) ? perPeer.get(Peer.of(peer)) : null;
    return its != null && its >= mostPerPeer
        ? "at most " + mostPerPeer + " of one address"
        : "at most " + most;
  }
}
