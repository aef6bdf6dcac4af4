package org.infinilm.svc.registry;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What a service says of itself when it registers.
///
/// @param name unique key of the entry; registering it again replaces the entry
/// @param host address that others reach it at
/// @param port 0..65535
/// @param hostname name for people; often the host again
/// @param url base URL, `http://host:port`
/// @param status `running`, or any other word to be out of service
/// @param metadata plain JSON values; may hold nulls
/// @param weight share of round robin, 0 or more; 1 is the default
/// @param incarnation tells this registrant from another of the same name; null to say nothing
public record Registration(
    String name,
    String host,
    int port,
    String hostname,
    String url,
    String status,
    Map<String, Object> metadata,
    int weight,
    @Nullable String incarnation) {
  /// The key of metadata under which a `-server` entry says how its babysitter at port + 1 is
  /// spoken to: `https`; http when absent.
  public static final String BABYSITTER_SCHEME = "babysitter_scheme";

  /// The key of metadata under which a `-server` entry says that its server is started when a
  /// request comes, by `POST /wake` to its babysitter.
  public static final String ON_DEMAND = "on_demand";

  /// The key of metadata under which a `-server` entry says how often its babysitter has started it
  /// again.
  public static final String RESTARTS = "restarts";

  /// The key of metadata under which it says the bearer token of that.
  public static final String WAKE_KEY = "wake_key";

  /// The key of metadata under which a `-server` entry on demand says why its last start failed: an
  /// object with [#CAUSE], [#STARTS] and, while it is not to be woken, [#UNTIL].
  public static final String START_FAILED = "start_failed";

  /// Why, in the babysitter's own words, which are for everybody.
  public static final String CAUSE = "cause";

  /// How many starts in a row failed.
  public static final String STARTS = "starts";

  /// When it may be woken again, as ISO 8601 in UTC.
  public static final String UNTIL = "until";

  public Registration {
    metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
  }

  public Registration(
      String name,
      String host,
      int port,
      String hostname,
      String url,
      String status,
      Map<String, Object> metadata,
      int weight) {
    this(name, host, port, hostname, url, status, metadata, weight, null);
  }

  public Registration withStatus(String other) {
    return new Registration(name, host, port, hostname, url, other, metadata, weight, incarnation);
  }

  /// @param value null: without the key
  public Registration with(String key, @Nullable Object value) {
    Map<String, Object> m = new LinkedHashMap<>(metadata);
    if (value == null) {
      m.remove(key);
    } else {
      m.put(key, value);
    }
    return new Registration(name, host, port, hostname, url, status, m, weight, incarnation);
  }
}
