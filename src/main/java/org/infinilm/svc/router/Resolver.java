package org.infinilm.svc.router;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Addresses of host names, looked up on threads of its own and kept for a while. Nobody who asks
/// waits: what is not known yet is nothing, and whoever listens hears when it is. Thread-safe.
/*
 * Platform threads, not virtual ones: a look-up is a call into the C library that holds its carrier, and
 * two slow ones would stop every virtual thread of a machine with two cores.
 */
final class Resolver implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Resolver.class);
  private static final int AT_ONCE = 8;
  private static final Duration IDLE = Duration.ofSeconds(30);
  private static final Duration KEPT = Duration.ofSeconds(30);
  private static final Duration AGAIN = Duration.ofSeconds(1);
  private static final Duration WAIT = Duration.ofSeconds(1);
  private static final int MOST_WAITS = 5;

  /// The look-up itself; blocks.
  interface Lookup {
    InetAddress[] addresses(String host) throws UnknownHostException;
  }

  /// What is known of one host.
  private static final class Host {
    List<InetAddress> addresses = List.of();
    @Nullable String failure;
    long askedNanos;
    boolean asked;
    boolean underWay;
  }

  private final Lookup lookup;
  private final Ticker ticker;
  private final Consumer<String> changed;
  private final ThreadPoolExecutor threads;
  private final Map<String, Host> hosts = new HashMap<>();

  /// @param changed hears a host whose addresses are new, on a thread of the resolver
  Resolver(Lookup lookup, Ticker ticker, Consumer<String> changed) {
    this.lookup = lookup;
    this.ticker = ticker;
    this.changed = changed;
    this.threads =
        new ThreadPoolExecutor(
            AT_ONCE,
            AT_ONCE,
            IDLE.toSeconds(),
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            Thread.ofPlatform().daemon().name("resolver-", 0).factory());
    this.threads.allowCoreThreadTimeOut(true);
  }

  /// What is known now, in the order of addresses; empty when nothing is. Looks it up in the
  /// background when that is old.
  List<InetAddress> addresses(String host) {
    InetAddress literal = literal(host);
    if (literal != null) {
      return List.of(literal);
    }
    synchronized (hosts) {
      Host h = hosts.computeIfAbsent(host, n -> new Host());
      ask(host, h, h.addresses.isEmpty() ? AGAIN : KEPT);
      return h.addresses;
    }
  }

  /// Why a host has no address: null while it is being looked up for the first time.
  @Nullable String failure(String host) {
    synchronized (hosts) {
      Host h = hosts.get(host);
      return h == null || !h.addresses.isEmpty() ? null : h.failure;
    }
  }

  /// Looks it up again: a connection to its address failed.
  void refresh(String host) {
    if (literal(host) == null) {
      synchronized (hosts) {
        Host h = hosts.get(host);
        if (h != null) {
          ask(host, h, AGAIN);
        }
      }
    }
  }

  /// Forgets hosts that are no longer asked for.
  void keepOnly(Set<String> used) {
    synchronized (hosts) {
      hosts.keySet().retainAll(new HashSet<>(used));
    }
  }

  /// The addresses of a host for a caller that may block: it waits for a first look-up.
  ///
  /// @throws UnknownHostException when none is known in time
  List<InetAddress> awaitedAddresses(String host) throws UnknownHostException {
    List<InetAddress> known = addresses(host);
    if (known.isEmpty()) {
      known = awaited(host);
    }
    if (known.isEmpty()) {
      throw new UnknownHostException(host);
    }
    return known;
  }

  private List<InetAddress> awaited(String host) {
    synchronized (hosts) {
      Host h = hosts.get(host);
      try {
        for (int k = 0; k < MOST_WAITS && h != null && h.underWay; k++) {
          hosts.wait(WAIT.toMillis());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return h == null ? List.of() : h.addresses;
    }
  }

  private void ask(String name, Host h, Duration atMostEach) {
    long now = ticker.nanos();
    if (h.underWay || (h.asked && now - h.askedNanos < atMostEach.toNanos())) {
      return;
    }
    h.asked = true;
    h.askedNanos = now;
    h.underWay = true;
    threads.execute(() -> look(name, h));
  }

  private void look(String name, Host h) {
    List<InetAddress> found = null;
    String failure = "unknown host " + name;
    try {
      found = ofOneFamily(lookup.addresses(bare(name)));
    } catch (UnknownHostException e) {
      LOG.debug("{}", e.getMessage());
    } catch (RuntimeException | Error e) {
      Endless.note("looking a host up", e);
    }
    boolean news;
    synchronized (hosts) {
      h.underWay = false;
      hosts.notifyAll();
      news = found != null && !found.isEmpty() && !found.equals(h.addresses);
      if (news && found != null) {
        h.addresses = found;
      }
      if (found == null && h.failure == null) {
        h.failure = failure;
        news = true;
      }
    }
    if (news) {
      changed.accept(name);
    }
  }

  /// The addresses of the family that the system puts first: a server often listens on one, and
  /// `localhost` has both.
  private static List<InetAddress> ofOneFamily(InetAddress[] all) {
    return Stream.of(all)
        .filter(a -> a.getAddress().length == all[0].getAddress().length)
        .distinct()
        .sorted((a, b) -> a.getHostAddress().compareTo(b.getHostAddress()))
        .toList();
  }

  private static String bare(String host) {
    return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
  }

  /// The address that a text is, or null when it is a name.
  static @Nullable InetAddress literal(String host) {
    try {
      return InetAddress.ofLiteral(bare(host));
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
