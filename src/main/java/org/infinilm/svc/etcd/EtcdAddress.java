package org.infinilm.svc.etcd;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.infinilm.svc.http.BaseUrl;

/// Where an etcd cluster is, and below which key our own keys stand.
///
/// @param secure whether its members are spoken to over TLS
/// @param members `host:port` each, at least one
/// @param prefix before every key, with a slash at its end
public record EtcdAddress(boolean secure, List<String> members, String prefix) {
  private static final String EXPECTED =
      " (expected: etcd://HOST:PORT,HOST:PORT/PREFIX, or etcds:// for TLS)";
  private static final String DEFAULT_PREFIX = "/infini/";
  private static final int MAX_MEMBERS = 16;
  private static final Pattern PREFIX = Pattern.compile("(/[\\w.-]{1,64}){1,4}/?");

  public EtcdAddress {
    members = List.copyOf(members);
  }

  /// @throws IllegalArgumentException naming what is wrong and what is expected
  public static EtcdAddress parse(String text) {
    String t = text.strip();
    boolean secure = t.startsWith("etcds://");
    if (!secure && !t.startsWith("etcd://")) {
      throw wrong(text);
    }
    String rest = t.substring(t.indexOf("//") + 2);
    int slash = rest.indexOf('/');
    String hosts = slash < 0 ? rest : rest.substring(0, slash);
    String path = slash < 0 ? "" : rest.substring(slash);
    Set<String> members = new LinkedHashSet<>();
    for (String host : hosts.split(",", -1)) {
      BaseUrl url = BaseUrl.parse("http://" + host.strip());
      if (url == null || !url.prefix().isEmpty() || !host.strip().matches(".*:[0-9]+")) {
        throw wrong(text);
      }
      members.add(url.authority());
    }
    if (members.size() > MAX_MEMBERS) {
      throw new IllegalArgumentException(
          members.size() + " members (expected: at most " + MAX_MEMBERS + ")");
    }
    return new EtcdAddress(secure, new ArrayList<>(members), prefix(text, path));
  }

  private static String prefix(String text, String path) {
    if (path.isEmpty() || path.equals("/")) {
      return DEFAULT_PREFIX;
    }
    if (!PREFIX.matcher(path).matches()) {
      throw wrong(text);
    }
    return path.endsWith("/") ? path : path + "/";
  }

  private static IllegalArgumentException wrong(String text) {
    return new IllegalArgumentException(BaseUrl.shown(masked(text)) + EXPECTED);
  }

  /// Without users and passwords, of whichever member.
  private static String masked(String text) {
    int from = text.indexOf("//");
    int to = text.lastIndexOf('@');
    return from < 0 || to < from + 2
        ? text.substring(Math.max(0, to))
        : text.substring(0, from) + "//..." + text.substring(to);
  }

  /// The base URL of a member.
  String url(String member) {
    return (secure ? "https://" : "http://") + member;
  }

  @Override
  public String toString() {
    return (secure ? "etcds://" : "etcd://")
        + String.join(",", members)
        + prefix.substring(0, prefix.length() - 1);
  }
}
