package org.infinilm.svc.registry;

import java.util.List;
import java.util.Objects;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Where the table is that a router follows: at registries, or in the etcd that they keep it in.
public final class TableHome {
  /// Who to be at etcd.
  public static final List<Key<?>> KEYS = List.of(EtcdHome.USER, EtcdHome.PASSWORD);

  private final RegistryClient.@Nullable Urls urls;
  private final @Nullable EtcdHome etcd;

  private TableHome(RegistryClient.@Nullable Urls urls, @Nullable EtcdHome etcd) {
    this.urls = urls;
    this.etcd = etcd;
  }

  /// At these registries.
  public static TableHome at(RegistryClient.Urls urls) {
    return new TableHome(urls, null);
  }

  /// What a setting says; null when it says nothing.
  public static @Nullable TableHome of(Config c, Key<String> where) throws ConfigException {
    String given = c.find(where).orElse("").strip();
    if (given.startsWith("etcd://") || given.startsWith("etcds://")) {
      return new TableHome(null, EtcdHome.of(c, where));
    }
    if (c.find(EtcdHome.USER).isPresent()) {
      throw c.wrong(EtcdHome.USER, "given without an etcd (expected: etcd://HOST:PORT,...)");
    }
    if (given.isEmpty()) {
      return null;
    }
    RegistryClient.Urls urls = RegistryClient.Urls.parse(given);
    if (urls == null) {
      throw c.wrong(
          where,
          BaseUrl.shown(given)
              + " (expected: http://host:port, or etcd://HOST:PORT,HOST:PORT/PREFIX)");
    }
    return at(urls);
  }

  /// Opens nothing yet: the first call does.
  ///
  /// @param http closed with the source where it is etcd
  /// @param token for reading a registry, or null
  /// @param run who this router is among its siblings
  public TableSource open(
      Client http,
      @Nullable String token,
      PeerBoard.Run run,
      Ticker ticker,
      RandomGenerator random) {
    if (etcd != null) {
      return new EtcdFollower(http, etcd, run.name(), ticker, random);
    }
    if (urls == null) {
      throw new IllegalStateException("neither registries nor etcd");
    }
    return new RegistryClient(http, urls, token, run);
  }

  @Override
  public String toString() {
    return etcd != null ? etcd.address().toString() : String.valueOf(urls);
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof TableHome t && Objects.equals(urls, t.urls) && Objects.equals(etcd, t.etcd);
  }

  @Override
  public int hashCode() {
    return Objects.hash(urls, etcd);
  }
}
