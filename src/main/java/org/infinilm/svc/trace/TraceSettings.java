package org.infinilm.svc.trace;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.InputFile;
import org.infinilm.svc.config.Key;
import org.jspecify.annotations.Nullable;

/// Where spans go, and of how many requests. Variables of OpenTelemetry's SDKs say the same as our
/// own settings; flags win.
///
/// @param receiver of spans, `http://host:4318/v1/traces`
/// @param resource what the router is called there, `service.name` among it
/// @param headers sent with each message; secrets, shown nowhere
/// @param authorities whose certificates an https receiver may show, in PEM; null for the JDK's
/// @param sampling of which requests
public record TraceSettings(
    URI receiver,
    Map<String, String> resource,
    Map<String, String> headers,
    @Nullable String authorities,
    Sampling sampling) {
  /// Which requests are traced.
  ///
  /// @param share of the traces that begin here, 0..1
  /// @param follows whether a client's own decision is followed, whatever the share
  public record Sampling(double share, boolean follows) {}

  /// Where a receiver takes spans (OTLP 1.x, section OTLP/HTTP request).
  private static final String PATH = "v1/traces";

  private static final int MOST_PEM_BYTES = 1 << 20;
  private static final int MOST_PORT = 65_535;
  private static final String PROTOBUF = "http/protobuf";
  private static final String SERVICE_NAME = "service.name";
  private static final String SHARE_VARIABLE = "OTEL_TRACES_SAMPLER_ARG";

  static final Key<String> ENDPOINT =
      Key.text(
              "otlp_endpoint",
              "",
              "receiver of traces that speaks OTLP over HTTP, http://host:4318; no traces when empty")
          .orEnv("OTEL_EXPORTER_OTLP_ENDPOINT");
  static final Key<String> TRACES_ENDPOINT =
      Key.text(
              "otlp_traces_endpoint",
              "",
              "the same with its path, http://host:4318/v1/traces, instead of otlp_endpoint")
          .orEnv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  static final Key<String> PROTOCOL =
      Key.text("otlp_protocol", PROTOBUF, "how the receiver is spoken to: " + PROTOBUF + " alone")
          .orEnv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
  static final Key<String> HEADERS =
      Key.text(
              "otlp_headers",
              "",
              "fields for the receiver, NAME=VALUE,... with %-escapes; shown nowhere")
          .orEnv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
  static final Key<String> AUTHORITIES =
      Key.path(
              "otlp_ca_file",
              null,
              "PEM file of the authorities to believe at an https receiver; the JDK's when absent")
          .orEnv("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
  static final Key<String> SERVICE =
      Key.text("otlp_service", "infini-router", "the router's name in traces")
          .orEnv("OTEL_SERVICE_NAME");
  static final Key<String> RESOURCE =
      Key.text(
              "otlp_resource",
              "",
              "what else the router is called in traces, NAME=VALUE,... with %-escapes")
          .orEnv("OTEL_RESOURCE_ATTRIBUTES");
  static final Key<Double> SAMPLE =
      Key.number(
              "trace_sample",
              1.0,
              0,
              1,
              "share of requests that are traced, of those whose client has not decided it")
          .orEnv(SHARE_VARIABLE);
  static final Key<String> SAMPLER =
      Key.oneOf(
              "trace_sampler",
              "parentbased_traceidratio",
              List.of(
                  "parentbased_traceidratio",
                  "parentbased_always_on",
                  "parentbased_always_off",
                  "traceidratio",
                  "always_on",
                  "always_off"),
              "which requests are traced: traceidratio a share of them, parentbased_ as the client decided")
          .orEnv("OTEL_TRACES_SAMPLER");

  public static final List<Key<?>> KEYS =
      List.of(
          ENDPOINT,
          TRACES_ENDPOINT,
          PROTOCOL,
          HEADERS,
          AUTHORITIES,
          SERVICE,
          RESOURCE,
          SAMPLE,
          SAMPLER);

  /// Without the values of headers.
  @Override
  public String toString() {
    return "TraceSettings[receiver="
        + receiver
        + ", resource="
        + resource
        + ", headers="
        + headers.keySet()
        + ", sampling="
        + sampling
        + "]";
  }

  /// To this receiver, everything else at its default.
  public static TraceSettings to(URI receiver) {
    return new TraceSettings(
        receiver, Map.of(SERVICE_NAME, "infini-router"), Map.of(), null, new Sampling(1, true));
  }

  /// Empty when there are no traces.
  ///
  /// @throws ConfigException naming what cannot be used, never a field's value
  public static Optional<TraceSettings> of(Config c) throws ConfigException {
    boolean whole =
        !c.get(TRACES_ENDPOINT).isBlank()
            && (c.get(ENDPOINT).isBlank() || rank(c, TRACES_ENDPOINT) <= rank(c, ENDPOINT));
    Key<String> from = whole ? TRACES_ENDPOINT : ENDPOINT;
    String at = c.get(from).strip();
    if (at.isEmpty()) {
      return Optional.empty();
    }
    Wrongs wrong = new Wrongs();
    URI receiver = wrong.<@Nullable URI>of(() -> receiver(at, c.place(from), whole), null);
    String protocol = c.get(PROTOCOL).strip();
    if (!protocol.isEmpty() && !protocol.equalsIgnoreCase(PROTOBUF)) {
      wrong.add(
          c.wrong(
                  PROTOCOL,
                  protocol
                      + " (expected: "
                      + PROTOBUF
                      + ", and the receiver's port for it, most often 4318)")
              .getMessage());
    }
    Map<String, String> resource = wrong.of(() -> resource(c), Map.of());
    Map<String, String> headers =
        wrong.of(() -> Pairs.headers(c.get(HEADERS), c.place(HEADERS)), Map.of());
    String authorities = wrong.<@Nullable String>of(() -> authorities(c), null);
    wrong.end();
    return Optional.of(
        new TraceSettings(
            Objects.requireNonNull(receiver), resource, headers, authorities, sampling(c)));
  }

  private static @Nullable String authorities(Config c) throws ConfigException {
    String file = c.find(AUTHORITIES).map(String::strip).orElse("");
    if (file.isEmpty()) {
      return null;
    }
    String place = c.place(AUTHORITIES) + ": " + file + ": ";
    try {
      byte[] bytes = InputFile.read(Path.of(file), MOST_PEM_BYTES);
      String pem = new String(bytes, StandardCharsets.ISO_8859_1);
      if (CertificateFactory.getInstance("X.509")
          .generateCertificates(new ByteArrayInputStream(bytes))
          .isEmpty()) {
        throw new CertificateException("none");
      }
      return pem;
    } catch (IOException | InvalidPathException e) {
      throw new ConfigException(place + "cannot be read (expected: a PEM file of authorities)");
    } catch (CertificateException e) {
      throw new ConfigException(
          place + "no certificates (expected: PEM, BEGIN CERTIFICATE, those of authorities)");
    }
  }

  /// The nearer to the command line, the less.
  private static int rank(Config c, Key<?> key) {
    String origin = c.origin(key);
    return origin.startsWith("--")
        ? 0
        : origin.equals("default") ? 3 : origin.matches("[A-Z][A-Z0-9_]*") ? 1 : 2;
  }

  /// A service that is named wins over the name among the attributes.
  private static Map<String, String> resource(Config c) throws ConfigException {
    Map<String, String> out = Pairs.of(c.get(RESOURCE), c.place(RESOURCE));
    String service = c.get(SERVICE).strip();
    if (!service.isEmpty() && !c.origin(SERVICE).equals("default")) {
      out.put(SERVICE_NAME, service);
    }
    out.putIfAbsent(SERVICE_NAME, service.isEmpty() ? "infini-router" : service);
    return Map.copyOf(out);
  }

  /// A share that is given as such counts for every sampler; the SDKs' argument for the ratio's
  /// alone, as with them.
  private static Sampling sampling(Config c) throws ConfigException {
    String sampler = c.get(SAMPLER);
    boolean follows = sampler.startsWith("parentbased_");
    String origin = c.origin(SAMPLE);
    boolean own = !origin.equals("default") && !origin.equals(SHARE_VARIABLE);
    double share =
        own || sampler.endsWith("ratio") ? c.get(SAMPLE) : sampler.endsWith("_on") ? 1.0 : 0.0;
    return new Sampling(share, follows);
  }

  private static URI receiver(String at, String place, boolean whole) throws ConfigException {
    try {
      URI u = new URI(at);
      boolean http = "http".equalsIgnoreCase(u.getScheme());
      if ((http || "https".equalsIgnoreCase(u.getScheme()))
          && u.getHost() != null
          && u.getPort() != 0
          && u.getPort() <= MOST_PORT
          && u.getUserInfo() == null
          && u.getQuery() == null
          && u.getFragment() == null) {
        return whole ? u : new URI(at.endsWith("/") ? at + PATH : at + "/" + PATH);
      }
    } catch (URISyntaxException e) {
      // said below
    }
    throw new ConfigException(
        place
            + ": "
            + at.replaceAll("//[^/@]*@", "//...@")
            + (whole
                ? " (expected: http://host:4318/" + PATH + ", without user and query)"
                : " (expected: http://host:4318, without user, query and /" + PATH + ")"));
  }
}
