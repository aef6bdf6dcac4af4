package org.infinilm.svc.discovery;

import java.net.InetAddress;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Words;
import org.jspecify.annotations.Nullable;

/// A source of instances as `--discover` names it. Immutable.
public sealed interface SourceSpec {
  /// As it was written.
  String text();

  /// `folder:/path`: each file in it lists instances.
  record Folder(String text, Path path) implements SourceSpec {}

  /// `dns:NAME[:PORT]` and `dns+srv:NAME`, each with options of `[[instance]]` behind commas.
  ///
  /// @param srv whether SRV records say where the instances are, and not the port
  /// @param scheme `http` or `https`
  /// @param port 0 with SRV
  /// @param server `address:port` of the name server to ask; null for those of the system
  /// @param options of each instance
  record Dns(
      String text,
      boolean srv,
      String scheme,
      String name,
      int port,
      @Nullable String server,
      Map<String, String> options)
      implements SourceSpec {
    public Dns {
      options = Map.copyOf(options);
    }
  }

  /// `kubernetes[:NAMESPACE,...][/SELECTOR]`: pods by label selector.
  ///
  /// @param namespaces none for the router's own; `*` for all
  record Kubernetes(String text, List<String> namespaces, String selector) implements SourceSpec {
    public Kubernetes {
      namespaces = List.copyOf(namespaces);
    }
  }

  /// What is expected of one.
  String EXPECTED =
      "folder:/path, dns:NAME[:PORT], dns+srv:_SERVICE._tcp.NAME or kubernetes[:NAMESPACE,...][/SELECTOR]";

  /// The label by which pods are found where no selector is given.
  String SELECTOR = "infinilm.org/instance=true";

  /// A comma begins another source before a word that is one, and else belongs to the one before.
  Pattern BETWEEN =
      Pattern.compile("[,\\s]+(?=(?:folder:|dns:|dns\\+srv:|kubernetes(?:[:/,\\s]|$)))");

  Pattern DNS = Pattern.compile("(https?://)?([A-Za-z0-9_.-]{1,253}?)(?::([0-9]{1,5}))?");
  Pattern SERVER =
      Pattern.compile("((?:[0-9]{1,3}\\.){3}[0-9]{1,3}|\\[[0-9A-Fa-f:.]+\\]):([0-9]{1,5})");
  Pattern NAMESPACE = Pattern.compile("\\*|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?");

  /// Options that a source may give to all of its instances.
  Set<String> OPTIONS =
      Set.of(
          "cache_type",
          "weight",
          "tier",
          "max_concurrency",
          "api_key_env",
          "ca_file",
          "tls_server_name",
          "server");

  /// Sources with commas or spaces between them.
  ///
  /// @param place where they were given, for errors
  static List<SourceSpec> list(String text, String place) throws ConfigException {
    Map<String, SourceSpec> out = new LinkedHashMap<>();
    if (!text.isBlank()) {
      for (String one : BETWEEN.split(text.strip())) {
        SourceSpec s = of(one.strip(), place);
        if (out.put(s.text(), s) != null) {
          throw wrong(place, s.text() + " given twice", "each source once");
        }
      }
    }
    return List.copyOf(out.values());
  }

  private static SourceSpec of(String text, String place) throws ConfigException {
    int colon = text.indexOf(':');
    String rest = colon < 0 ? "" : text.substring(colon + 1);
    if (text.startsWith("folder:")) {
      return folder(text, rest, place);
    }
    if (text.startsWith("dns:") || text.startsWith("dns+srv:")) {
      return dns(text, rest, place);
    }
    if (text.matches("kubernetes(?:[:/].*)?")) {
      return kubernetes(text, place);
    }
    throw wrong(place, text, EXPECTED);
  }

  private static Folder folder(String text, String path, String place) throws ConfigException {
    try {
      if (!path.isBlank()) {
        return new Folder(text, Path.of(path));
      }
    } catch (InvalidPathException e) {
      // the same
    }
    throw wrong(place, text, "folder:/path");
  }

  private static Dns dns(String text, String rest, String place) throws ConfigException {
    boolean srv = text.startsWith("dns+srv:");
    String[] parts = rest.split(",", -1);
    Matcher m = DNS.matcher(parts[0]);
    boolean matches = m.matches();
    if (!matches || (srv && m.group(3) != null)) {
      throw wrong(
          place, text, srv ? "dns+srv:_SERVICE._tcp.NAME, without a port" : "dns:NAME[:PORT]");
    }
    String scheme = m.group(1) == null ? "http" : m.group(1).replace("://", "");
    int port = srv ? 0 : scheme.equals("https") ? 443 : 80;
    if (m.group(3) != null) {
      port = Integer.parseInt(m.group(3));
      if (port < 1 || port > 65535) {
        throw wrong(place, text, "a port 1..65535");
      }
    }
    Map<String, String> options = new TreeMap<>();
    for (String option : List.of(parts).subList(1, parts.length)) {
      int eq = option.indexOf('=');
      String key = eq < 0 ? option : option.substring(0, eq);
      if (eq < 0 || !OPTIONS.contains(key)) {
        throw wrong(
            place,
            text + ": " + option + Words.hint(key, OPTIONS),
            String.join("=, ", OPTIONS.stream().sorted().toList()) + "=");
      }
      options.put(key, option.substring(eq + 1));
    }
    String server = options.remove("server");
    if (server != null && !isServer(server)) {
      throw wrong(place, text + ": server=" + server, "server=ADDRESS:PORT");
    }
    return new Dns(text, srv, scheme, m.group(2), port, server, options);
  }

  private static boolean isServer(String server) {
    Matcher m = SERVER.matcher(server);
    try {
      if (m.matches()) {
        InetAddress.ofLiteral(m.group(1));
        int port = Integer.parseInt(m.group(2));
        return port > 0 && port <= 65535;
      }
    } catch (IllegalArgumentException noAddress) {
      // the same
    }
    return false;
  }

  private static Kubernetes kubernetes(String text, String place) throws ConfigException {
    int slash = text.indexOf('/');
    String head = slash < 0 ? text : text.substring(0, slash);
    String selector = slash < 0 ? SELECTOR : text.substring(slash + 1);
    List<String> namespaces = new ArrayList<>();
    if (head.contains(":")) {
      for (String n : head.substring(head.indexOf(':') + 1).split(",", -1)) {
        if (!NAMESPACE.matcher(n).matches()) {
          throw wrong(place, text + ": namespace " + n, "a namespace's name, or * for all");
        }
        if (namespaces.contains(n)) {
          throw wrong(place, text + ": namespace " + n + " given twice", "each namespace once");
        }
        namespaces.add(n);
      }
    }
    if (selector.isBlank()) {
      throw wrong(place, text, "a label selector after the slash, NAME=VALUE,...");
    }
    if (namespaces.contains("*") && namespaces.size() > 1) {
      throw wrong(place, text, "* alone, or names");
    }
    return new Kubernetes(text, namespaces, selector);
  }

  private static ConfigException wrong(String place, String said, String expected) {
    return new ConfigException(place + ": " + said + " (expected: " + expected + ")");
  }
}
