package org.infinilm.svc.discovery;

import io.netty.handler.codec.dns.DnsRecordType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.infinilm.svc.discovery.NameServers.Answer;
import org.infinilm.svc.discovery.NameServers.Answered;
import org.infinilm.svc.http.BaseUrl;
import org.jspecify.annotations.Nullable;

/// Each address of a name is an instance; or each address of each host that SRV records of a name
/// say. Asked for again when the answer's time is over.
/*
 * Answers hold as long as they say, within bounds: 1 s, so that a time of 0 is no load, and 300 s. What a server
 * fails to say changes nothing, and is asked for again after 1, 2, 4, ... 30 s. That a name has no address is
 * believed when it is said twice, five seconds apart: one wrong word would empty the fleet, and a name whose last
 * address went has nobody to send requests to in either case. So it is with each host of an SRV record, and with a name that
 * had IPv4 addresses and is said to have IPv6 ones alone. An address that is said to be there is believed at once.
 */
final class DnsSource extends Follower {
  static final Duration LEAST = Duration.ofSeconds(1);
  static final Duration MOST_TTL = Duration.ofMinutes(5);
  static final Duration AGAIN = Duration.ofSeconds(5);
  private static final Duration MOST_PAUSE = Duration.ofSeconds(30);
  private static final int FIRST_TIER = 1;
  private static final int MOST_ADDRESSES = 1000;
  private static final int MOST_WEIGHT = 9999;
  private static final int MOST_TROUBLES = 20;

  private final SourceSpec.Dns spec;
  private final NameServers servers;

  /// The addresses that each name had last.
  private Map<String, List<String>> lastAddresses = Map.of();

  /// Names of which it was said once that they have none any more, or none of IPv4.
  private Set<String> doubtedHosts = Set.of();

  private int failures;

  /// Whether something was listed last.
  private boolean listed;

  /// Whether it was said that nothing is there any more, once.
  private boolean doubted;

  DnsSource(SourceSpec.Dns spec) {
    this(
        spec,
        spec.server() == null
            ? ResolvConf.following(Path.of("/etc/resolv.conf"))
            : () -> ResolvConf.NONE);
  }

  /// @param conf in which domains names are looked for; asked for at each question
  DnsSource(SourceSpec.Dns spec, Supplier<ResolvConf> conf) {
    super(spec.text());
    this.spec = spec;
    this.servers = new NameServers(spec.server(), conf);
  }

  /// One round of questions.
  private final class Round {
    final List<String> troubles = new ArrayList<>();
    final Map<String, List<String>> addresses = new HashMap<>();
    final Map<String, Found> found = new LinkedHashMap<>();
    final Set<String> doubted = new HashSet<>();
    long ttlSeconds = MOST_TTL.toSeconds();
    boolean tooMany;
    @Nullable String failure;

    void trouble(String what) {
      if (troubles.size() < MOST_TROUBLES) {
        troubles.add(what);
      }
    }

    /// The literals of a host, IPv4 where it has any: a server often listens on one of both. Those
    /// of before where it is said for the first time that IPv4 has none any more, and IPv6 has.
    ///
    /// @return null when no server says
    @Nullable List<String> addresses(String host) throws InterruptedException {
      List<String> known = addresses.get(host);
      if (known != null) {
        return known;
      }
      Answer a = servers.addresses(host);
      if (a.failure() != null) {
        failure = a.failure();
        return null;
      }
      List<String> had = lastAddresses.getOrDefault(host, List.of());
      if (!a.records().isEmpty()
          && a.records().stream().allMatch(r -> r.target().contains(":"))
          && had.stream().anyMatch(l -> !l.contains(":"))
          && !doubtedHosts.contains(host)) {
        trouble(host + ": has no IPv4 address (expected: " + had.size() + ", as before)");
        doubted.add(host);
        addresses.put(host, had);
        return had;
      }
      if (!a.records().isEmpty()) {
        ttlSeconds = Math.min(ttlSeconds, a.ttlSeconds());
      }
      List<String> out = a.records().stream().map(Answered::target).distinct().sorted().toList();
      addresses.put(host, out);
      return out;
    }

    void byAddress() throws InterruptedException {
      List<String> all = addresses(spec.name());
      for (String a : all == null ? List.<String>of() : all) {
        add(spec.name(), spec.port(), a, spec.options());
      }
    }

    void byService() throws InterruptedException {
      Answer services = servers.ask(spec.name(), DnsRecordType.SRV);
      failure = services.failure();
      if (failure != null) {
        return;
      }
      if (!services.records().isEmpty()) {
        ttlSeconds = Math.min(ttlSeconds, services.ttlSeconds());
      }
      // of two for one address the one to be asked first counts, whatever the order of the answer
      List<Answered> records =
          services.records().stream()
              .sorted(
                  Comparator.comparingInt(Answered::priority)
                      .thenComparing(Comparator.comparingInt(Answered::weight).reversed())
                      .thenComparing(Answered::target)
                      .thenComparingInt(Answered::port))
              .toList();
      int first =
          records.stream()
              .filter(s -> s.port() != 0 && !s.target().equals("."))
              .mapToInt(Answered::priority)
              .min()
              .orElse(0);
      for (Answered s : records) {
        String host = s.target().replaceFirst("\\.$", "");
        if (host.isEmpty() || s.port() == 0) {
          trouble(
              spec.name()
                  + ": a record with the target '"
                  + s.target()
                  + "' and port "
                  + s.port()
                  + " (expected: a host and a port)");
          continue;
        }
        List<String> at = addresses(s.target());
        if (at == null) {
          trouble(String.valueOf(failure));
          failure = null;
          ttlSeconds = Math.min(ttlSeconds, AGAIN.toSeconds());
          at = lastAddresses.getOrDefault(s.target(), List.of());
          addresses.put(s.target(), at);
        } else if (at.isEmpty()) {
          trouble(host + ": has no address (expected: one, as " + spec.name() + " names it)");
          at = doubtedAddresses(s.target());
        }
        for (String a : at) {
          add(host, s.port(), a, serviceOptions(s, first));
        }
      }
    }

    /// What a host had until now, when it is the first time that it is said to have nothing.
    private List<String> doubtedAddresses(String host) {
      List<String> had = lastAddresses.getOrDefault(host, List.of());
      if (doubted.contains(host)) {
        return had;
      }
      if (had.isEmpty() || doubtedHosts.contains(host)) {
        return List.of();
      }
      doubted.add(host);
      return had;
    }

    /// @param first the priority that is asked first: it is the tier of instances that name none
    private Map<String, String> serviceOptions(Answered s, int first) {
      Map<String, String> options = new TreeMap<>(spec.options());
      options.putIfAbsent("weight", String.valueOf(Math.clamp(s.weight(), 1, MOST_WEIGHT)));
      options.putIfAbsent("tier", String.valueOf(FIRST_TIER + s.priority() - first));
      return options;
    }

    private void add(String host, int port, String address, Map<String, String> options) {
      String key = BaseUrl.bracketed(address) + ":" + port;
      if (found.size() >= MOST_ADDRESSES && !found.containsKey(key)) {
        if (!tooMany) {
          tooMany = true;
          trouble(
              spec.name() + ": more than " + MOST_ADDRESSES + " addresses; the rest is left out");
        }
        return;
      }
      String url = spec.scheme() + "://" + host + ":" + port;
      found.putIfAbsent(
          key, new Found(url, options, address, true, null, Map.of(), o -> spec.text()));
    }
  }

  @Override
  Duration step(Listener to) throws InterruptedException {
    Round r = new Round();
    if (spec.srv()) {
      r.byService();
    } else {
      r.byAddress();
    }
    if (r.failure != null) {
      r.trouble(r.failure);
      to.troubles(r.troubles);
      Duration pause = LEAST.multipliedBy(1L << Math.min(failures++, 5));
      return pause.compareTo(MOST_PAUSE) < 0 ? pause : MOST_PAUSE;
    }
    failures = 0;
    if (r.found.isEmpty()) {
      r.trouble(spec.name() + ": has no " + (spec.srv() ? "service with an address" : "address"));
      to.troubles(r.troubles);
      doubtedHosts = Set.copyOf(r.addresses.keySet());
      if (doubted || !listed) {
        listed = false;
        lastAddresses = Map.of();
        to.found(List.of());
      }
      doubted = true;
      return AGAIN;
    }
    doubted = false;
    listed = true;
    r.doubted.forEach(h -> r.addresses.put(h, lastAddresses.getOrDefault(h, List.of())));
    lastAddresses = r.addresses;
    doubtedHosts = Set.copyOf(r.doubted);
    to.found(List.copyOf(r.found.values()));
    to.troubles(r.troubles);
    if (!doubtedHosts.isEmpty()) {
      return AGAIN;
    }
    return Duration.ofSeconds(Math.clamp(r.ttlSeconds, LEAST.toSeconds(), MOST_TTL.toSeconds()));
  }

  @Override
  public void close() {
    super.close();
    servers.close();
  }
}
