package org.infinilm.svc.router;

import java.net.InetAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where instances are reached: at the addresses of their hosts, each of which is an instance of
/// its own where that was asked for. For the thread of the [Roster].
final class Addresses {
  private static final Logger LOG = LoggerFactory.getLogger(Addresses.class);

  /// How long one that a list no longer has waits for those that come in its place.
  private static final long MOST_OVERLAP_NANOS = 5_000_000_000L;

  private final Roster roster;
  private final Resolver resolver;

  /// Entries each of whose addresses is an instance, and the names of those instances.
  private final Map<String, Spread> eachAddress = new HashMap<>();

  /// Names of the entries that are there for good.
  private final Set<String> fixed = new HashSet<>();

  /// Those of them whose models are not known yet, and those that are none any more, with the time
  /// since when.
  private final Set<String> arriving = new HashSet<>();

  private final Map<String, Long> leavingNanos = new HashMap<>();

  /// Instances whose host was said to be unknown.
  private final Set<String> unknown = new HashSet<>();

  /// Hosts that were asked for since [#forgetOthers].
  private final Set<String> used = new HashSet<>();

  private static final class Spread {
    final Known known;
    final BaseUrl url;
    Set<String> instances = Set.of();

    Spread(Known known, BaseUrl url) {
      this.known = known;
      this.url = url;
    }
  }

  Addresses(Roster roster, Resolver resolver) {
    this.roster = roster;
    this.resolver = resolver;
  }

  /// Takes over the entries that are there for good. Others that were leave: as soon as those that
  /// come with this list may be asked, so that a model that moves from one to another is never
  /// without an instance, or after a while.
  void fixed(List<Known> all, long now) {
    Set<String> names = new HashSet<>();
    all.forEach(k -> names.add(k.name()));
    arriving.addAll(names);
    arriving.removeAll(fixed);
    arriving.retainAll(names);
    leavingNanos.keySet().removeAll(names);
    for (String name : fixed) {
      if (!names.contains(name)) {
        leavingNanos.putIfAbsent(name, now);
      }
    }
    all.forEach(this::fixed);
    fixed.clear();
    fixed.addAll(names);
    part(now);
  }

  /// Whether somebody leaves as time passes.
  boolean waitsForTime() {
    return !leavingNanos.isEmpty();
  }

  /// Lets those leave that are not waited for any longer.
  boolean part(long now) {
    arriving.removeIf(name -> !isUnread(name));
    return leavingNanos
        .entrySet()
        .removeIf(e -> {
          boolean goes = arriving.isEmpty() || now - e.getValue() >= MOST_OVERLAP_NANOS;
          if (goes) {
            leave(e.getKey());
          }
          return goes;
        });
  }

  /// Whether the models of an entry are not known yet.
  private boolean isUnread(String name) {
    Spread s = eachAddress.get(name);
    Set<String> instances = s == null ? Set.of(name) : s.instances;
    return instances.stream()
        .allMatch(n -> {
          Roster.Entry e = roster.entry(n);
          return e != null && e.unread();
        });
  }

  private void leave(String name) {
    Spread s = eachAddress.remove(name);
    if (s == null) {
      roster.dismiss(name);
    } else {
      s.instances.forEach(roster::dismiss);
    }
  }

  private void fixed(Known k) {
    BaseUrl url = BaseUrl.parse(k.url());
    Spread before = eachAddress.get(k.name());
    if (!k.eachAddress() || url == null || Resolver.literal(url.host()) != null) {
      if (before != null) {
        leave(k.name());
      }
      roster.fixed(k);
    } else if (before == null) {
      if (fixed.contains(k.name())) {
        roster.dismiss(k.name());
      }
      spread(k, url, Set.of());
    } else if (!before.known.equals(k)) {
      spread(k, url, before.instances);
    }
  }

  private void spread(Known k, BaseUrl url, Set<String> instances) {
    Spread s = new Spread(k, url);
    s.instances = instances;
    eachAddress.put(k.name(), s);
    spread(s);
  }

  /// Whether names have to be asked for again as time passes: their instances have addresses alone.
  boolean follows() {
    return !eachAddress.isEmpty();
  }

  /// Has names looked up again whose addresses are old; what is new is heard ([#resolved]).
  void follow() {
    for (Spread s : eachAddress.values()) {
      resolver.addresses(s.url.host());
    }
  }

  /// A connection to an instance failed: the name of its host may have moved.
  void doubt(Known k) {
    String authority = k.authority();
    BaseUrl url = BaseUrl.parse(authority == null ? k.url() : "http://" + authority);
    if (url != null) {
      resolver.refresh(url.host());
    }
  }

  /// The addresses of a host are new.
  boolean resolved(String host) {
    for (Spread s : eachAddress.values()) {
      if (s.url.host().equals(host)) {
        spread(s);
      }
    }
    return true;
  }

  /// Makes each address of a host an instance, and removes those of addresses that it has no more.
  private void spread(Spread s) {
    String host = s.url.host();
    List<InetAddress> addresses = resolver.addresses(host);
    if (addresses.isEmpty()) {
      String failure = resolver.failure(host);
      if (failure != null) {
        LOG.warn("instances {}@...: {}", s.known.name(), failure);
      }
      return;
    }
    Set<String> now = new HashSet<>();
    for (InetAddress a : addresses) {
      String text = IpText.of(a);
      String literal = BaseUrl.bracketed(text);
      String at = s.known.url().replace("//" + host + ":", "//" + literal + ":");
      Known one = s.known.one(text, at, s.url);
      now.add(one.name());
      roster.fixed(one);
    }
    for (String name : s.instances) {
      if (!now.contains(name)) {
        roster.leave(name);
      }
    }
    s.instances = now;
  }

  /// Where an entry is reached.
  ///
  /// @param of what it was found for; null when it is to be looked for anew
  /// @param host its name to look up; null where there is none, and nothing to look for again
  /// @param names of hosts that it needs, itself and what answers probes for it
  /// @param addresses of the host
  /// @param origins one for each address; none when none is known
  /// @param server of the first one; null when there is none
  record Reach(
      @Nullable Known of,
      @Nullable String host,
      List<String> names,
      List<InetAddress> addresses,
      List<Origin> origins,
      Servers.@Nullable At server) {
    static final Reach NONE = new Reach(null, null, List.of(), List.of(), List.of(), null);

    private static Reach of(
        @Nullable Known of,
        @Nullable String host,
        List<String> names,
        List<InetAddress> addresses,
        List<Origin> origins) {
      Servers.At first = origins.isEmpty() ? null : Servers.At.of(origins.getFirst());
      return new Reach(of, host, names, addresses, origins, first);
    }
  }

  /// Where it is reached, at each address of its host.
  ///
  /// @param last the last answer: it holds while its name cannot be looked up, and is given again
  ///   where nothing changed
  @SuppressWarnings("ReferenceEquality") // what did not change is the same object
  Reach reach(Roster.Entry e, Reach last) {
    Known k = e.known;
    if (last.of() == k) {
      used.addAll(last.names());
      if (last.host() == null || resolver.addresses(last.host()).equals(last.addresses())) {
        return last;
      }
    }
    String socket = k.socket();
    if (socket != null) {
      return Reach.of(k, null, List.of(), List.of(), List.of(Origin.unix(socket)));
    }
    BaseUrl url = BaseUrl.parse(k.url());
    if (url == null) {
      LOG.warn("instance {}: url {} (expected: http://host:port)", k.name(), k.url());
      return Reach.NONE;
    }
    List<String> names = names(k, url);
    used.addAll(names);
    List<InetAddress> addresses = resolver.addresses(url.host());
    if (addresses.isEmpty()) {
      String failure = resolver.failure(url.host());
      if (failure != null && unknown.add(k.name())) {
        LOG.warn("instance {}: {}", k.name(), failure);
      }
      return Reach.of(null, url.host(), names, List.of(), last.origins());
    }
    unknown.remove(k.name());
    List<Origin> out = new ArrayList<>(addresses.size());
    for (InetAddress a : addresses) {
      Origin o = Origin.of(url, a, k.tls());
      String authority = k.authority();
      out.add(authority == null ? o : new Origin(o.address(), authority, o.prefix(), o.tls()));
    }
    String host = Resolver.literal(url.host()) == null ? url.host() : null;
    return Reach.of(k, host, names, addresses, out);
  }

  /// The names among the hosts of an entry, its babysitter's and that of its health page.
  private static List<String> names(Known k, BaseUrl url) {
    List<String> out = new ArrayList<>();
    out.add(url.host());
    out.add(BaseUrl.bracketed(k.host()));
    BaseUrl health = k.healthUrl() == null ? null : BaseUrl.parse(k.healthUrl());
    if (health != null) {
      out.add(health.host());
    }
    out.removeIf(h -> Resolver.literal(h) != null);
    return List.copyOf(out);
  }

  /// Forgets hosts that were not asked for since the last time.
  void forgetOthers() {
    eachAddress.values().forEach(s -> used.add(s.url.host()));
    resolver.keepOnly(used);
    used.clear();
    unknown.removeIf(name -> roster.entry(name) == null);
  }
}
