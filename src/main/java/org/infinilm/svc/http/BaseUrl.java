package org.infinilm.svc.http;

import io.netty.util.NetUtil;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The parts of a server's base URL. Host names may hold underscores, as container names do and
/// [java.net.URI] refuses.
///
/// @param secure whether it says https
/// @param host a name, an IPv4 address or an IPv6 address in brackets, which is held in its one
///   text
/// @param prefix the path, without a trailing slash
public record BaseUrl(boolean secure, String host, int port, String prefix) {
  private static final Pattern HTTP =
      Pattern.compile(
          "(?i)(https?)://(\\[[0-9a-f:.]+(?:%[\\w.-]+)?]|[\\w.-]+)(?::([0-9]{1,5}))?((?:/[\\w.~!$&'()*+,;=:@%-]*)*)");

  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*://");
  private static final Pattern BARE_IPV6 =
      Pattern.compile("[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*");
  private static final Pattern PLACE =
      Pattern.compile("(\\[[^\\]/]*]|[^:/\\[\\]]+)(:[0-9]*)?((?:/.*)?)");
  private static final Pattern COPIED = Pattern.compile("/+(ui/?|v1/?)?$");

  private static final Pattern QUERY = Pattern.compile("(//[^?,\"\\s]*)\\?[^,\"\\s]*");
  private static final Pattern USER = Pattern.compile("//[^/@,\"\\s]*@");

  public BaseUrl {
    host = IpText.host(host);
  }

  /// A plain one.
  public BaseUrl(String host, int port, String prefix) {
    this(false, host, port, prefix);
  }

  /// Null when `url` is no `http://host[:port][/path]` (port 80) or `https://...` (port 443).
  public static @Nullable BaseUrl parse(String url) {
    Matcher m = HTTP.matcher(url.strip());
    if (!m.matches()) {
      return null;
    }
    boolean secure = m.group(1).length() == 5;
    int port = m.group(3) == null ? secure ? 443 : 80 : Integer.parseInt(m.group(3));
    if (port < 1 || port > 65535) {
      return null;
    }
    String path = m.group(4);
    int end = path.length();
    while (end > 0 && path.charAt(end - 1) == '/') {
      end--;
    }
    return new BaseUrl(secure, m.group(2), port, path.substring(0, end));
  }

  /// An address as people type it or copy it from a browser: without a scheme (http is meant), with
  /// a page's or the API's name at its end (`/ui`, `/v1`), an IPv6 address without brackets, an
  /// IPv4 address with a name's last dot. Null when it is none.
  public static @Nullable BaseUrl typed(String text) {
    return typed(text, 0);
  }

  /// The same.
  ///
  /// @param port where the text says none; 0 for the scheme's own
  public static @Nullable BaseUrl typed(String text, int port) {
    String said = text.strip();
    Matcher scheme = SCHEME.matcher(said);
    String before = scheme.lookingAt() ? scheme.group() : "http://";
    String rest = scheme.lookingAt() ? said.substring(scheme.end()) : said;
    Matcher bare = BARE_IPV6.matcher(rest);
    if (bare.lookingAt() && NetUtil.isValidIpV6Address(bare.group())) {
      rest = "[" + bare.group() + "]" + rest.substring(bare.end());
    }
    Matcher m = PLACE.matcher(rest);
    if (!m.matches()) {
      return null;
    }
    String host = m.group(1);
    if (host.endsWith(".") && NetUtil.isValidIpV4Address(host.substring(0, host.length() - 1))) {
      host = host.substring(0, host.length() - 1);
    }
    String at = m.group(2) != null ? m.group(2) : port == 0 ? "" : ":" + port;
    String path = COPIED.matcher(m.group(3)).replaceFirst("");
    BaseUrl parsed = parse(before + host + at + path);
    boolean fits =
        parsed != null
            && (!host.startsWith("[")
                || NetUtil.isValidIpV6Address(host.substring(1, host.length() - 1)));
    return fits ? parsed : null;
  }

  /// Whether two URLs lead to the same place, however they are written.
  public static boolean same(String a, String b) {
    BaseUrl one = a.equals(b) ? null : parse(a);
    return a.equals(b) || one != null && one.equals(parse(b));
  }

  /// A text with URLs as messages may show it: without users, passwords and queries.
  public static String shown(String text) {
    return QUERY.matcher(USER.matcher(text).replaceAll("//...@")).replaceAll("$1?...");
  }

  /// `host` as it stands in a URL.
  public static String bracketed(String host) {
    return host.indexOf(':') >= 0 && !host.startsWith("[") ? "[" + host + "]" : host;
  }

  /// `host:port`.
  public String authority() {
    return host + ":" + port;
  }

  /// What stands before every target: the path, less a `/v1` at its end, which clients' SDKs want
  /// in their base URL and every target of the API brings along.
  public String root() {
    return prefix.endsWith("/v1") ? prefix.substring(0, prefix.length() - 3) : prefix;
  }

  /// The URL of a target at this server: `/v1/models` of both `http://h:1` and `http://h:1/v1` is
  /// `http://h:1/v1/models`.
  public String at(String target) {
    return scheme() + authority() + root() + target;
  }

  private String scheme() {
    return secure ? "https://" : "http://";
  }

  @Override
  public String toString() {
    return scheme() + authority() + prefix;
  }
}
