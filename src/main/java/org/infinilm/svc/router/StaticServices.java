package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.InputFile;
import org.infinilm.svc.config.Secrets;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.jspecify.annotations.Nullable;

/// Instances that run already: the static services file, and `--instance` on the command line.
final class StaticServices {
  private static final List<String> OPTIONS =
      List.of(
          "name",
          "cache_type",
          "weight",
          "tier",
          "max_concurrency",
          "dns",
          "api_key_env",
          "health_url",
          "ca_file",
          "tls_server_name");

  /// What JSON Schema says of the keys of `[[instance]]`.
  static final Map<String, Object> SCHEMA = schema();

  /// What a unix socket stands for in Host fields.
  private static final BaseUrl LOCAL = new BaseUrl("localhost", 0, "");

  /// `sun_path` of unix(7) has 108 bytes, the last one zero.
  private static final int LONGEST_SOCKET = 107;

  private static final String INSTANCE_NAME =
      "a name without control characters or unpaired surrogates, other than . and ..";

  private static final int MOST_BYTES = 64 << 20;
  private static final long MOST_NUMBER = 999_999;

  private StaticServices() {}

  private static Map<String, Object> schema() {
    Map<String, Object> out = new HashMap<>();
    OPTIONS.forEach(o -> out.put(o, Map.of("type", "string")));
    out.put("url", Map.of("type", "string"));
    out.put("cache_type", Map.of("enum", List.of("paged", "static")));
    out.put("dns", Map.of("enum", List.of("all")));
    for (String number : List.of("weight", "tier", "max_concurrency")) {
      out.put(number, Map.of("type", "integer", "minimum", 0));
    }
    return Map.copyOf(out);
  }

  /// Reads a file in any of its three shapes: `[...]`, `{"services":[...]}`,
  /// `{"static_services":{"services":[...]}}`. Unknown keys are ignored.
  static List<Known> file(Path file, Map<String, String> env) throws ConfigException {
    try {
      return parse(file.toString(), InputFile.read(file, MOST_BYTES), env);
    } catch (NoSuchFileException e) {
      throw new ConfigException(file + ": no such file");
    } catch (IOException e) {
      throw new ConfigException(file + ": cannot be read: " + ConfigException.reason(e));
    }
  }

  /// @param file names the document in messages
  /// @param env where `api_key_env` looks
  static List<Known> parse(String file, byte[] document, Map<String, String> env)
      throws ConfigException {
    JsonNode root = tree(file, document);
    String pointer = "";
    JsonNode list = root;
    if (!root.isArray()) {
      pointer = "/static_services/services";
      list = root.at(pointer);
    }
    if (!list.isArray()) {
      pointer = "/services";
      list = root.at(pointer);
    }
    if (!list.isArray()) {
      throw new ConfigException(
          file
              + ":1: no list of services (expected: [...], {\"services\":[...]} or {\"static_services\":{\"services\":[...]}})");
    }
    List<Known> out = new ArrayList<>();
    Set<String> names = new HashSet<>();
    Wrongs wrong = new Wrongs();
    for (int k = 0; k < list.size(); k++) {
      Element e = new Element(file, document, pointer, k, list.get(k));
      if (!names.add(e.node().path("name").asText()) && e.node().path("name").isTextual()) {
        wrong.add(e.wrong("name", "unique names").getMessage());
      }
      wrong.in(() -> out.add(e.known(env)));
    }
    wrong.end();
    return out;
  }

  private static JsonNode tree(String file, byte[] document) throws ConfigException {
    try {
      return Json.tree(document);
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new ConfigException(file + ":" + line + ": " + Json.wrong(e));
    }
  }

  /// One element of the list, and where it stands.
  private record Element(String file, byte[] document, String list, int index, JsonNode node) {
    Known known(Map<String, String> env) throws ConfigException {
      if (!node.isObject()) {
        throw wrong("", "an object");
      }
      Wrongs wrong = new Wrongs();
      String name = wrong.of(this::name, "");
      boolean whole = node.has("url") && !node.has("host");
      String socket = whole ? wrong.<@Nullable String>of(this::socket, null) : null;
      BaseUrl read = wrong.<@Nullable BaseUrl>of(() -> whole ? baseUrl() : hostAndPort(), null);
      BaseUrl url = read == null ? LOCAL : read;
      JsonNode weight = node.path("weight");
      refuse(
          !weight.isMissingNode() && (!weight.canConvertToInt() || weight.asInt() < 0),
          wrong,
          "weight",
          "0 or more");
      JsonNode meta = node.path("metadata");
      refuse(
          !meta.isMissingNode() && !meta.isNull() && !meta.isObject(),
          wrong,
          "metadata",
          "an object");
      JsonNode health = node.path("health_url");
      refuse(
          health.isTextual() && BaseUrl.parse(health.asText()) == null,
          wrong,
          "health_url",
          "http://host:port/path");
      JsonNode dns = node.path("dns");
      refuse(!dns.isMissingNode() && !dns.asText().equals("all"), wrong, "dns", "\"all\"");
      refuse(!dns.isMissingNode() && socket != null, wrong, "dns", "none for a unix socket");
      Map<String, Object> metadata = new HashMap<>();
      if (meta.isObject()) {
        metadata.putAll(Json.plain(meta));
      }
      wrong.in(() -> cacheType(metadata));
      wrong.in(() -> number("tier", metadata));
      wrong.in(() -> number("max_concurrency", metadata));
      String authorization = wrong.<@Nullable String>of(() -> authorization(env), null);
      Tls tls = read == null ? null : wrong.<@Nullable Tls>of(() -> secure(read), null);
      wrong.end();
      return new Known(
          name,
          node.has("host") ? text("host") : url.host(),
          url.port(),
          socket == null ? url.toString() : Known.UNIX + socket,
          Metadata.models(metadata),
          Metadata.modelsList(metadata.get("models_list")),
          metadata,
          weight.isMissingNode() ? 1 : weight.asInt(),
          true,
          true,
          true,
          health.isTextual() ? health.asText() : null,
          authorization,
          tls,
          null,
          !dns.isMissingNode(),
          null);
    }

    private void refuse(boolean isWrong, Wrongs wrong, String key, String expected) {
      if (isWrong) {
        wrong.add(wrong(key, expected).getMessage());
      }
    }

    private String name() throws ConfigException {
      String name = text("name");
      if (!isInstanceName(name)) {
        throw wrong("name", INSTANCE_NAME);
      }
      return name;
    }

    private void cacheType(Map<String, Object> metadata) throws ConfigException {
      if (node.has("cache_type")) {
        if (CacheType.parse(text("cache_type")) == null) {
          throw wrong("cache_type", "paged or static");
        }
        metadata.put("cache_type", text("cache_type"));
      }
    }

    private void number(String key, Map<String, Object> metadata) throws ConfigException {
      JsonNode n = node.path(key);
      if (n.isMissingNode()) {
        return;
      }
      if (!n.isIntegralNumber() || n.asLong() < 0 || n.asLong() > MOST_NUMBER) {
        throw wrong(key, "0.." + MOST_NUMBER);
      }
      metadata.put(key, n.asLong());
    }

    private @Nullable String authorization(Map<String, String> env) throws ConfigException {
      String variable = node.has("api_key_env") ? text("api_key_env") : null;
      try {
        return StaticServices.authorization(variable, env);
      } catch (ConfigException e) {
        throw new ConfigException(place("/api_key_env") + "." + e.getMessage());
      }
    }

    private @Nullable String socket() throws ConfigException {
      String problem = socketProblem(text("url"));
      if (problem != null) {
        throw wrong("url", problem);
      }
      return socketPath(text("url"));
    }

    private BaseUrl baseUrl() throws ConfigException {
      BaseUrl url = socketPath(text("url")) == null ? BaseUrl.parse(text("url")) : LOCAL;
      if (url == null) {
        throw wrong("url", "http://host:port or https://host:port");
      }
      return url;
    }

    private BaseUrl hostAndPort() throws ConfigException {
      String host = text("host");
      JsonNode port = node.path("port");
      if (!port.canConvertToInt() || port.asInt() < 1 || port.asInt() > 65535) {
        throw wrong("port", "1..65535");
      }
      BaseUrl url = BaseUrl.parse("http://" + BaseUrl.bracketed(host) + ":" + port.asInt());
      if (url == null || !url.prefix().isEmpty()) {
        throw wrong("host", "a host name or address");
      }
      return url;
    }

    private @Nullable Tls secure(BaseUrl url) throws ConfigException {
      try {
        return tls(
            url,
            node.has("ca_file") ? text("ca_file") : null,
            node.has("tls_server_name") ? text("tls_server_name") : null);
      } catch (IOException e) {
        throw wrong(node.has("ca_file") ? "ca_file" : "tls_server_name", reason(e));
      }
    }

    private String text(String key) throws ConfigException {
      JsonNode v = node.path(key);
      if (!v.isTextual() || v.asText().isBlank()) {
        throw wrong(key, "a text");
      }
      return v.asText();
    }

    /// `file:line: services[index]`.
    private String place(String key) {
      String line = file + ":" + Json.line(document, list + "/" + index + key);
      return line + ": services[" + index + "]";
    }

    /// The error for a key of this element, or for the element itself when `key` is empty.
    ConfigException wrong(String key, String expected) {
      JsonNode v = key.isEmpty() ? node : node.path(key);
      return new ConfigException(
          place(key.isEmpty() ? "" : "/" + key)
              + (key.isEmpty() ? "" : "." + key)
              + ": "
              + (v.isMissingNode() ? "missing" : BaseUrl.shown(v.toString()))
              + " (expected: "
              + expected
              + ")");
    }
  }

  /// The path of `unix:/path` or `unix:///path`; null for any other URL.
  private static @Nullable String socketPath(String url) {
    if (!url.startsWith(Known.UNIX)) {
      return null;
    }
    String path = url.substring(Known.UNIX.length());
    return path.startsWith("//") ? path.substring(2) : path;
  }

  /// What is expected of a URL that names a unix socket and cannot; null when nothing is wrong.
  private static @Nullable String socketProblem(String url) {
    String path = socketPath(url);
    if (path == null) {
      return null;
    }
    if (!path.startsWith("/") || path.endsWith("/") || !isName(path)) {
      return "unix:/absolute/path";
    }
    return path.getBytes(UTF_8).length > LONGEST_SOCKET
        ? "unix:/path of at most " + LONGEST_SOCKET + " bytes"
        : null;
  }

  /// Names stand in logs and headers.
  static boolean isName(String s) {
    return !s.isBlank() && s.codePoints().noneMatch(c -> breaksLines(c) || isHalf(c));
  }

  /// Whether an instance may be called so: with a name that is a segment of a path, which `.` and
  /// `..` are not (RFC 3986 section 3.3, browsers take them away).
  static boolean isInstanceName(String s) {
    return isName(s) && !s.equals(".") && !s.equals("..");
  }

  /// A surrogate without its other half, which no encoding has.
  private static boolean isHalf(int c) {
    return c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
  }

  /// Control characters, and those that some readers take for a line's end.
  static boolean breaksLines(int c) {
    return Character.isISOControl(c) || c == 0x2028 || c == 0x2029;
  }

  /// `URL[,name=N][,cache_type=paged|static][,weight=W][,tier=T][,max_concurrency=N][,dns=all]
  /// [,api_key_env=VAR][,health_url=U]`, and for https `[,ca_file=PEM][,tls_server_name=N]`.
  static Known instance(String spec, Map<String, String> env) throws ConfigException {
    String[] parts = spec.split(",");
    String place = "--instance " + BaseUrl.shown(spec);
    Map<String, String> options = new HashMap<>();
    for (int k = 1; k < parts.length; k++) {
      int eq = parts[k].indexOf('=');
      String key = eq < 0 ? parts[k] : parts[k].substring(0, eq);
      if (eq < 0 || !OPTIONS.contains(key)) {
        throw new ConfigException(
            place
                + ": "
                + parts[k]
                + Words.hint(key, OPTIONS)
                + " (expected: "
                + String.join("=, ", OPTIONS)
                + "=)");
      }
      options.put(key, parts[k].substring(eq + 1));
    }
    return new Spec(option -> place, parts[0], options, env).known();
  }

  /// Reads a table `[[instance]]`.
  static Known table(TomlFile t, Map<String, String> env) throws ConfigException {
    Wrongs wrong = new Wrongs();
    wrong.in(() -> t.allow(SCHEMA.keySet()));
    String url = wrong.<@Nullable String>of(() -> urlOf(t), null);
    Map<String, String> options = new HashMap<>();
    for (String option : OPTIONS) {
      wrong.in(() -> {
        String value = t.scalar(option);
        if (value != null) {
          options.put(option, value);
        }
      });
    }
    Spec spec = new Spec(t::place, url, options, env);
    Known known = wrong.<@Nullable Known>of(spec::known, null);
    wrong.end();
    return Objects.requireNonNull(known);
  }

  /// What a table's instance is called, whatever else is wrong with it; null when that cannot be
  /// told.
  static @Nullable String nameOf(TomlFile t) throws ConfigException {
    String name = t.scalar("name");
    String url = t.scalar("url");
    return name != null || url == null ? name : nameOf(url);
  }

  private static @Nullable String nameOf(String url) {
    String socket = socketPath(url);
    BaseUrl base = BaseUrl.parse(url);
    return socket != null
        ? Known.UNIX + socket
        : base == null ? null : base.host() + ":" + base.port();
  }

  private static String urlOf(TomlFile t) throws ConfigException {
    String url = t.text("url");
    if (url == null || url.isEmpty()) {
      throw new ConfigException(
          t.place() + ": an instance without its url (expected: url = \"http://host:port\")");
    }
    return url;
  }

  /// Throws with all that is wrong with tables `[[instance]]`.
  static void check(List<TomlFile> tables, Map<String, String> env) throws ConfigException {
    Wrongs wrong = new Wrongs();
    for (TomlFile t : tables) {
      wrong.in(() -> table(t, env));
    }
    wrong.end();
  }

  /// One that a source lists.
  ///
  /// @param source as [Known#source]
  static Known found(Found f, String source, Map<String, String> env) throws ConfigException {
    for (String option : f.options().keySet()) {
      if (!OPTIONS.contains(option)) {
        throw new ConfigException(
            f.place().apply(option)
                + ": unknown key \""
                + option
                + "\""
                + Words.hint(option, OPTIONS)
                + " (expected: url, "
                + String.join(", ", OPTIONS)
                + ")");
      }
    }
    if (f.options().containsKey("dns")) {
      throw new ConfigException(
          f.place().apply("dns") + ": dns (expected: none here; --discover dns:NAME does that)");
    }
    Known k = new Spec(f.place(), f.url(), f.options(), env).known();
    BaseUrl named = BaseUrl.parse(f.url());
    String address = f.address();
    if (address != null && named != null) {
      String literal = BaseUrl.bracketed(address);
      k = k.one(address, k.url().replace("//" + named.host() + ":", "//" + literal + ":"), named);
    }
    Map<String, Object> metadata = new HashMap<>(k.metadata());
    metadata.putAll(f.metadata());
    return new Known(
        k.name(),
        k.host(),
        k.port(),
        k.url(),
        f.models(),
        null,
        metadata,
        k.weight(),
        f.ready(),
        true,
        false,
        k.healthUrl(),
        k.authorization(),
        k.tls(),
        k.authority(),
        false,
        null,
        source);
  }

  /// An instance as people write it.
  ///
  /// @param place where an option was given, for errors
  /// @param url null where it was refused already
  record Spec(
      UnaryOperator<String> place,
      @Nullable String url,
      Map<String, String> options,
      Map<String, String> env) {

    Known known() throws ConfigException {
      Wrongs wrong = new Wrongs();
      String socket = wrong.<@Nullable String>of(this::socket, null);
      BaseUrl read = wrong.<@Nullable BaseUrl>of(this::base, null);
      BaseUrl base = read == null ? LOCAL : read;
      Map<String, Object> metadata = new HashMap<>();
      metadata.put("type", "openai-api");
      wrong.in(() -> cacheType(metadata));
      wrong.in(() -> number("tier", metadata));
      wrong.in(() -> number("max_concurrency", metadata));
      String dns = options.get("dns");
      if (dns != null && !dns.equals("all")) {
        wrong.add(wrong("dns", "dns=" + dns, "all").getMessage());
      } else if (dns != null && socket != null) {
        wrong.add(wrong("dns", "dns=" + dns, "none for a unix socket").getMessage());
      }
      String address = socket == null ? base.toString() : Known.UNIX + socket;
      String name =
          options.getOrDefault("name", socket == null ? base.host() + ":" + base.port() : address);
      if (!isInstanceName(name)) {
        wrong.add(wrong("name", "name=" + name, INSTANCE_NAME).getMessage());
      }
      String health = options.get("health_url");
      if (health != null && BaseUrl.parse(health) == null) {
        wrong.add(
            wrong("health_url", "health_url=" + BaseUrl.shown(health), "http://host:port/path")
                .getMessage());
      }
      int weight = wrong.of(this::weight, 1);
      String authorization = wrong.<@Nullable String>of(this::authorization, null);
      Tls tls = read == null ? null : wrong.<@Nullable Tls>of(() -> tls(read), null);
      wrong.end();
      return new Known(
          name,
          base.host(),
          base.port(),
          address,
          null,
          null,
          metadata,
          weight,
          true,
          true,
          true,
          health,
          authorization,
          tls,
          null,
          dns != null,
          null);
    }

    private @Nullable String socket() throws ConfigException {
      String problem = url == null ? null : socketProblem(url);
      if (url != null && problem != null) {
        throw wrong("url", url, problem);
      }
      return url == null ? null : socketPath(url);
    }

    private @Nullable BaseUrl base() throws ConfigException {
      if (url == null) {
        return null;
      }
      BaseUrl base = socketPath(url) == null ? BaseUrl.parse(url) : LOCAL;
      if (base == null) {
        throw wrong("url", BaseUrl.shown(url), "http://host:port or https://host:port");
      }
      return base;
    }

    private void cacheType(Map<String, Object> metadata) throws ConfigException {
      String type = options.get("cache_type");
      if (type != null && CacheType.parse(type) == null) {
        throw wrong("cache_type", "cache_type=" + type, "paged or static");
      }
      if (type != null) {
        metadata.put("cache_type", type);
      }
    }

    private ConfigException wrong(String option, String said, String expected) {
      return new ConfigException(
          place.apply(option) + ": " + said + " (expected: " + expected + ")");
    }

    private void number(String key, Map<String, Object> metadata) throws ConfigException {
      String n = options.get(key);
      if (n == null) {
        return;
      }
      if (!n.matches("[0-9]{1,6}")) {
        throw wrong(key, key + "=" + n, "0..999999");
      }
      metadata.put(key, Long.parseLong(n));
    }

    private int weight() throws ConfigException {
      String w = options.getOrDefault("weight", "1");
      if (!w.matches("[0-9]{1,4}")) {
        throw wrong("weight", "weight=" + w, "0..9999");
      }
      return Integer.parseInt(w);
    }

    private @Nullable String authorization() throws ConfigException {
      try {
        return StaticServices.authorization(options.get("api_key_env"), env);
      } catch (ConfigException e) {
        throw new ConfigException(place.apply("api_key_env") + ": " + e.getMessage());
      }
    }

    private @Nullable Tls tls(BaseUrl base) throws ConfigException {
      String caFile = options.get("ca_file");
      String serverName = options.get("tls_server_name");
      try {
        return StaticServices.tls(base, caFile, serverName);
      } catch (IOException e) {
        throw caFile == null
            ? wrong("tls_server_name", "tls_server_name=" + serverName, reason(e))
            : wrong("ca_file", "ca_file=" + caFile, reason(e));
      }
    }
  }

  /// How to reach an https URL; null for http.
  ///
  /// @throws IOException when the CA file cannot be used, or the URL has no use for the options
  private static @Nullable Tls tls(
      BaseUrl url, @Nullable String caFile, @Nullable String serverName) throws IOException {
    if (!url.secure()) {
      if (caFile != null || serverName != null) {
        throw new IOException("an https URL");
      }
      return null;
    }
    return Tls.of(caFile == null ? null : Path.of(caFile), serverName);
  }

  private static String reason(IOException e) {
    return String.valueOf(e.getMessage());
  }

  /// What to send as Authorization; errors name the variable and not where it was named.
  private static @Nullable String authorization(@Nullable String variable, Map<String, String> env)
      throws ConfigException {
    if (variable == null) {
      return null;
    }
    String key = env.get(variable);
    String named = "api_key_env=" + variable;
    if (key == null || key.isEmpty()) {
      throw new ConfigException(named + ": the variable is not set (expected: the instance's key)");
    }
    return "Bearer " + Secrets.key(key, named);
  }
}
