package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Which web pages may read answers (the Fetch standard, section 3.2): pages of the origins listed
/// see every answer, errors included, and their preflight requests are answered without asking an
/// instance. Immutable.
public final class Cors {
  public static final Cors NONE = new Cors(Set.of());

  private static final Pattern NAMES = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}");
  private static final String ANY = "*";
  private static final String EXPOSED =
      "x-request-id, retry-after, x-should-retry, x-infini-instance, x-infini-pool, x-infini-reason,"
          + " x-infini-size, x-infini-threshold, x-infini-attempts, x-infini-queue-ms,"
          + " x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests,"
          + " x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";
  private static final int PREFLIGHT_SECONDS = 600;

  private final Set<String> origins;

  private Cors(Set<String> origins) {
    this.origins = origins;
  }

  /// @param list origins (`https://host[:port]`) separated by commas, or `*` for all
  /// @throws IllegalArgumentException names the origin that is none
  public static Cors of(String list) {
    Set<String> all = new HashSet<>();
    for (String part : list.split(",")) {
      String one = part.strip();
      if (one.isEmpty()) {
        continue;
      }
      all.add(one.equals(ANY) ? ANY : origin(one));
    }
    return all.isEmpty() ? NONE : new Cors(Set.copyOf(all));
  }

  /// An origin as browsers write it (the HTML standard, serialization of an origin): in lower case,
  /// without the port that goes without saying.
  private static String origin(String one) {
    BaseUrl url = BaseUrl.parse(one);
    if (url == null || one.indexOf('/', one.indexOf("//") + 2) >= 0) {
      throw new IllegalArgumentException(
          BaseUrl.shown(one) + " (expected: https://host[:port], or *)");
    }
    String host = url.host().toLowerCase(Locale.ROOT);
    return (url.secure() ? "https://" : "http://")
        + host
        + (url.port() == (url.secure() ? 443 : 80) ? "" : ":" + url.port());
  }

  /// Whether no page may read answers.
  boolean isNone() {
    return origins.isEmpty();
  }

  /// Lets the page that asked read the answer, if it may; what an instance says of it does not
  /// count then.
  void mark(@Nullable String origin, HttpHeaders answer) {
    if (origins.isEmpty()) {
      return;
    }
    answer.remove(HttpHeaderNames.ACCESS_CONTROL_ALLOW_ORIGIN);
    answer.remove(HttpHeaderNames.ACCESS_CONTROL_ALLOW_CREDENTIALS);
    boolean any = origins.contains(ANY);
    if (!any) {
      answer.add(HttpHeaderNames.VARY, "origin");
    }
    if (origin != null && (any || origins.contains(origin))) {
      answer.set(HttpHeaderNames.ACCESS_CONTROL_ALLOW_ORIGIN, any ? ANY : origin);
      answer.set(HttpHeaderNames.ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
  }

  /// The answer to a preflight request of a page that may ask, or null for any other request.
  @Nullable Response preflight(RequestHead r) {
    String origin = r.header("origin");
    String method = r.header("access-control-request-method");
    if (origin == null
        || method == null
        || !r.method().equals("OPTIONS")
        || !(origins.contains(ANY) || origins.contains(origin))) {
      return null;
    }
    String said = r.header("access-control-request-headers");
    String fields = said == null ? "" : said;
    Response yes =
        Response.empty(204)
            .with("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
            .with("access-control-max-age", Integer.toString(PREFLIGHT_SECONDS));
    return NAMES.matcher(fields).matches() ? yes.with("access-control-allow-headers", fields) : yes;
  }
}
