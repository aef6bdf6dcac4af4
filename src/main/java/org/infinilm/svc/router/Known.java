package org.infinilm.svc.router;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.registry.Registration;
import org.jspecify.annotations.Nullable;

/// What is known of one instance from its registration, the static file, the command line or
/// another source, before any probe.
///
/// @param url base URL without a trailing slash, or `unix:/path` with host `localhost` and port 0
/// @param models null when it did not say: they are read from its `/v1/models`
/// @param modelsList entries for the model list, null when it did not say
/// @param running whether its own status allows traffic
/// @param registryHealthy what the registry thinks
/// @param fixed from the file or the command line: never removed
/// @param healthUrl where to probe, or null for the usual places
/// @param authorization value to send as Authorization, or null
/// @param tls how to reach an https URL, null for the usual way
/// @param authority `host:port` to send as Host where it is not that of `url`, or null
/// @param eachAddress whether each address of its host is an instance of its own
/// @param demand how it runs on demand; null: it runs always
/// @param source who lists it: [#REGISTRY], [#SETTINGS], [#ADMIN], or what `--discover` was given
record Known(
    String name,
    String host,
    int port,
    String url,
    @Nullable List<String> models,
    @Nullable List<Map<String, Object>> modelsList,
    Map<String, Object> metadata,
    int weight,
    boolean running,
    boolean registryHealthy,
    boolean fixed,
    @Nullable String healthUrl,
    @Nullable String authorization,
    @Nullable Tls tls,
    @Nullable String authority,
    boolean eachAddress,
    @Nullable Demand demand,
    String source) {

  /// What an instance that runs on demand says of itself.
  ///
  /// @param status its own word
  /// @param wakeKey what its babysitter wants to be shown, or null
  /// @param failure why it could not be started the last time, or null
  record Demand(String status, @Nullable String wakeKey, @Nullable StartFailure failure) {
    private static final Set<String> WAKING = Set.of("waking", "starting", "loading", "restarting");

    /// Its state while it does not run.
    State state() {
      return status.equals("asleep")
          ? State.ASLEEP
          : WAKING.contains(status) ? State.WAKING : State.DRAINING;
    }

    /// When it may be woken; null when that is now.
    @Nullable Instant restsUntil() {
      StartFailure f = failure;
      return f == null ? null : f.until();
    }

    /// What the key is, is nobody's business.
    @Override
    public String toString() {
      return "Demand[" + status + "]";
    }
  }

  static final String UNIX = "unix:";
  static final String REGISTRY = "registry";
  static final String SETTINGS = "settings";
  static final String ADMIN = "admin";

  /// One of the settings, or of the registry.
  Known(
      String name,
      String host,
      int port,
      String url,
      @Nullable List<String> models,
      @Nullable List<Map<String, Object>> modelsList,
      Map<String, Object> metadata,
      int weight,
      boolean running,
      boolean registryHealthy,
      boolean fixed,
      @Nullable String healthUrl,
      @Nullable String authorization,
      @Nullable Tls tls,
      @Nullable String authority,
      boolean eachAddress,
      @Nullable Demand demand) {
    this(
        name,
        host,
        port,
        url,
        models,
        modelsList,
        metadata,
        weight,
        running,
        registryHealthy,
        fixed,
        healthUrl,
        authorization,
        tls,
        authority,
        eachAddress,
        demand,
        fixed ? SETTINGS : REGISTRY);
  }

  /// One that is one instance, reached by its URL in the usual way.
  Known(
      String name,
      String host,
      int port,
      String url,
      @Nullable List<String> models,
      @Nullable List<Map<String, Object>> modelsList,
      Map<String, Object> metadata,
      int weight,
      boolean running,
      boolean registryHealthy,
      boolean fixed,
      @Nullable String healthUrl,
      @Nullable String authorization) {
    this(
        name,
        host,
        port,
        url,
        models,
        modelsList,
        metadata,
        weight,
        running,
        registryHealthy,
        fixed,
        healthUrl,
        authorization,
        null,
        null,
        false,
        null);
  }

  /// The unix socket on which it listens, or null.
  @Nullable String socket() {
    return url.startsWith(UNIX) ? url.substring(UNIX.length()) : null;
  }

  /// The URL of a target at this instance; over its unix socket where it has one.
  String at(String target) {
    if (socket() != null) {
      return "http://" + host + target;
    }
    BaseUrl base = BaseUrl.parse(url);
    return base == null ? url + target : base.at(target);
  }

  @Nullable CacheType cacheType() {
    return CacheType.parse(metadata.get("cache_type"));
  }

  /// The babysitter beside it, at port + 1.
  String babysitter() {
    String said = String.valueOf(metadata.get(Registration.BABYSITTER_SCHEME));
    String scheme = said.equals("https") ? said : "http";
    return scheme + "://" + BaseUrl.bracketed(host) + ":" + (port + 1);
  }

  /// The same place and process, as far as one can tell: counters and health carry over.
  boolean sameIncarnation(Known o) {
    return url.equals(o.url);
  }

  /// The instance at one address of the host, named `NAME@ADDRESS`. It is called by the name of its
  /// host, in the Host field and in TLS.
  ///
  /// @param at its URL, with the address for the host
  /// @param named its URL as it was given
  Known one(String address, String at, BaseUrl named) {
    Tls by = tls;
    if (named.secure() && (by == null || by.serverName() == null)) {
      by = new Tls(by == null ? null : by.caFile(), named.host());
    }
    return new Known(
        name + "@" + address,
        address,
        port,
        at,
        models,
        modelsList,
        metadata,
        weight,
        running,
        registryHealthy,
        fixed,
        healthUrl,
        authorization,
        by,
        named.authority(),
        false,
        demand,
        source);
  }

  /// The same, listed by another.
  Known from(String other) {
    return new Known(
        name,
        host,
        port,
        url,
        models,
        modelsList,
        metadata,
        weight,
        running,
        registryHealthy,
        fixed,
        healthUrl,
        authorization,
        tls,
        authority,
        eachAddress,
        demand,
        other);
  }

  /// When it may be woken that sleeps since its starts failed; null when that is now.
  @Nullable Instant restsUntil() {
    Demand d = demand;
    return d == null ? null : d.restsUntil();
  }

  /// The kind of who lists it: `registry`, `settings`, `admin`, `folder`, `dns`, `kubernetes`.
  String sourceKind() {
    return Tables.kind(source);
  }

  /// Whether its babysitter registered it, which then answers at port + 1.
  boolean isRegistered() {
    return source.equals(REGISTRY);
  }
}
