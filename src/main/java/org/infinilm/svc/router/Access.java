package org.infinilm.svc.router;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Who may see what the router knows of requests, and who may act. Stateless.
/*
 * With the admin token: everybody. Without it: who is on this machine and came directly, under a name that means
 * this machine to itself. A proxy beside the router comes from loopback too, for whomever (docs/decisions/137).
 * The name is against that, and against pages elsewhere that have their own host name resolved to 127.0.0.1 (DNS
 * rebinding) and then count as the same origin to the browser; those that do not are told apart by Origin
 * and Sec-Fetch-Site, whatever CORS allows. No cookie opens anything, so that no page can act in somebody's name.
 */
final class Access {
  private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|[0-9a-f:.]+");

  /// What proxies leave in requests: each of those in use one at least, unless it is told not to.
  private static final List<String> MARKS =
      List.of(
          "forwarded",
          "via",
          "x-forwarded-for",
          "x-forwarded-host",
          "x-forwarded-proto",
          "x-forwarded-server",
          "x-real-ip");

  private final @Nullable String token;
  private final Set<String> hosts;
  private final boolean everywhere;

  /// Who asks.
  ///
  /// @param forwarded whether a proxy stands between, as far as it shows: by its marks, or by
  ///   HTTP/1.0, which nginx speaks to servers unless told otherwise and our programs, browsers and
  ///   curl do not
  record Asker(
      String peer,
      @Nullable String authorization,
      @Nullable String host,
      @Nullable String origin,
      @Nullable String site,
      boolean forwarded) {
    static Asker of(Request r) {
      return new Asker(
          r.peer(),
          r.headers().get("authorization"),
          r.headers().get("host"),
          r.headers().get("origin"),
          r.headers().get("sec-fetch-site"),
          r.http10() || MARKS.stream().anyMatch(m -> r.headers().get(m) != null));
    }

    static Asker of(RequestHead h, String peer) {
      return new Asker(
          peer,
          h.header("authorization"),
          h.header("host"),
          h.header("origin"),
          h.header("sec-fetch-site"),
          h.isHttp10() || MARKS.stream().anyMatch(m -> h.header(m) != null));
    }
  }

  /// @param token the admin token, or null when there is none
  /// @param hosts names that are this machine's, beside loopback addresses and localhost
  /// @param everywhere whether the token is wanted of this machine too
  Access(@Nullable String token, Set<String> hosts, boolean everywhere) {
    this.token = token;
    this.hosts = hosts;
    this.everywhere = everywhere;
  }

  static Access of(RouterConfig config) {
    return new Access(config.adminToken(), config.uiHosts(), config.loopbackNeedsToken());
  }

  /// Whether the admin token is what opens actions here.
  boolean wantsToken() {
    return token != null;
  }

  /// Null when `a` may see `what`, else the answer.
  @Nullable Response refusal(String what, Asker a) {
    if (hasToken(a)) {
      return null;
    }
    if (!isHere(a)) {
      return noToken(what + (a.forwarded() ? " through a proxy" : " outside loopback"));
    }
    if (everywhere) {
      return noToken(what);
    }
    String host = strangeHost(a);
    if (host != null) {
      return error(403, "host_not_allowed", what + " " + host);
    }
    return foreign(a)
        ? error(
            403,
            "cross_origin",
            what + " from a page of another origin (expected: the router's own page, or the token)")
        : null;
  }

  /// Null when `a` may do `what`, else the answer: where there is a token, it is needed everywhere.
  @Nullable Response actionRefusal(String what, Asker a) {
    return token != null && !hasToken(a) ? noToken(what) : refusal(what, a);
  }

  private Response noToken(String what) {
    Response no =
        error(
            token == null ? 403 : 401,
            "forbidden",
            "no access to " + what + " (expected: the admin token as Authorization: Bearer)");
    return token == null ? no : no.with("www-authenticate", KeyRing.SCHEME.strip());
  }

  /// Whether the admin token was given.
  boolean hasToken(Asker a) {
    return isToken(token, a.authorization());
  }

  /// Whether a field of Authorization carries it.
  static boolean isToken(@Nullable String token, @Nullable String authorization) {
    return token != null
        && authorization != null
        && MessageDigest.isEqual(
            KeyRing.bearer(authorization).getBytes(StandardCharsets.UTF_8),
            token.getBytes(StandardCharsets.UTF_8));
  }

  /// Whether somebody on this machine asks, and nobody through it.
  static boolean isHere(Asker a) {
    try {
      return !a.forwarded() && InetAddress.getByName(a.peer()).isLoopbackAddress();
    } catch (UnknownHostException notAnAddress) {
      return false;
    }
  }

  /// What is wrong with the name under which somebody on this machine asks, or null.
  @Nullable String strangeHost(Asker a) {
    String host = a.host() == null ? "" : alike(name(a.host()));
    if (host.equals("localhost")
        || host.endsWith(".localhost")
        || isLoopback(host)
        || hosts.contains(host)) {
      return null;
    }
    return "under the host name '"
        + ModelNames.shown(host)
        + "' (expected: 127.0.0.1, localhost, a name that ui_hosts lists, or the admin token)";
  }

  private static boolean isLoopback(String host) {
    try {
      return ADDRESS.matcher(host).matches() && InetAddress.ofLiteral(host).isLoopbackAddress();
    } catch (IllegalArgumentException noAddress) {
      return false;
    }
  }

  private static boolean foreign(Asker a) {
    String origin = a.origin();
    return "cross-site".equals(a.site())
        || "same-site".equals(a.site())
        || (origin != null
            && !origin
                .substring(origin.indexOf("//") < 0 ? 0 : origin.indexOf("//") + 2)
                .equalsIgnoreCase(a.host()));
  }

  /// A Host field's name, without its port.
  private static String name(String field) {
    int end = field.startsWith("[") ? field.indexOf(']') + 1 : field.indexOf(':');
    return end <= 0 ? field : field.substring(0, end);
  }

  /// A host as it is compared with others: without what makes no difference, which is case, the dot
  /// of the root, brackets, a zone (no browser sends one) and how an IPv6 address is written.
  static String alike(String host) {
    String h = host.toLowerCase(Locale.ROOT);
    if (h.indexOf(':') < 0) {
      return h.endsWith(".") ? h.substring(0, h.length() - 1) : h;
    }
    String bare = h.startsWith("[") && h.endsWith("]") ? h.substring(1, h.length() - 1) : h;
    try {
      return IpText.of(InetAddress.ofLiteral(bare.replaceFirst("%.*", "")));
    } catch (IllegalArgumentException noAddress) {
      return h;
    }
  }

  private static Response error(int status, String code, String message) {
    return OwnRoutes.error(status, code, message);
  }
}
