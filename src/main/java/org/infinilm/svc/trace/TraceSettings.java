package org.infinilm.svc.trace;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;

/// Where spans go, and of how many requests.
///
/// @param receiver of spans, `http://host:4318/v1/traces`
/// @param service name of the router there
/// @param share of the traces that begin here, 0..1
public record TraceSettings(URI receiver, String service, double share) {
  /// Where a receiver takes spans (OTLP 1.x, section OTLP/HTTP request).
  private static final String PATH = "v1/traces";

  static final Key<String> ENDPOINT =
      Key.text(
              "otlp_endpoint",
              "",
              "receiver of traces that speaks OTLP over HTTP, http://host:4318; no traces when empty")
          .orEnv("OTEL_EXPORTER_OTLP_ENDPOINT");
  static final Key<String> SERVICE =
      Key.text("otlp_service", "infini-router", "the router's name in traces")
          .orEnv("OTEL_SERVICE_NAME");
  static final Key<Double> SAMPLE =
      Key.number(
          "trace_sample",
          1.0,
          0,
          1,
          "share of requests that are traced, of those whose client has not decided it");

  public static final List<Key<?>> KEYS = List.of(ENDPOINT, SERVICE, SAMPLE);

  /// Empty when there are no traces.
  public static Optional<TraceSettings> of(Config c) throws ConfigException {
    String at = c.get(ENDPOINT).strip();
    return at.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new TraceSettings(
                receiver(at, c.origin(ENDPOINT)), c.get(SERVICE).strip(), c.get(SAMPLE)));
  }

  private static URI receiver(String at, String place) throws ConfigException {
    try {
      URI u = new URI(at);
      boolean http = "http".equalsIgnoreCase(u.getScheme());
      if ((http || "https".equalsIgnoreCase(u.getScheme()))
          && u.getHost() != null
          && u.getUserInfo() == null
          && u.getQuery() == null
          && u.getFragment() == null) {
        return new URI(at.endsWith("/") ? at + PATH : at + "/" + PATH);
      }
    } catch (URISyntaxException e) {
      // said below
    }
    throw new ConfigException(
        place
            + ": "
            + at.replaceAll("//[^/@]*@", "//...@")
            + " (expected: http://host:4318, without user, query and /"
            + PATH
            + ")");
  }
}
