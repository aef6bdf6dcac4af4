package org.infinilm.svc.load;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Secrets;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.Arrivals;
import org.jspecify.annotations.Nullable;

/// What a run is to do, checked.
///
/// @param target address of the router or server
/// @param endpoint path of generation requests
/// @param headers of every request; the API key among them
/// @param extraBody members added to every body; null for none
/// @param maxConcurrency 0 for no bound
/// @param goodput objectives in milliseconds by `ttft`, `tpot`, `e2el`
public record LoadOptions(
    boolean chat,
    Target target,
    String endpoint,
    List<Header> headers,
    boolean stream,
    boolean ignoreEos,
    @Nullable Double temperature,
    @Nullable ObjectNode extraBody,
    Arrivals arrivals,
    int maxConcurrency,
    Duration thinkTime,
    Duration requestTimeout,
    Duration readyTimeout,
    double lateBoundMs,
    Map<String, Double> goodput) {

  private static final Pattern FIELD_NAME = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
  private static final String KEY_VARIABLE = "OPENAI_API_KEY";
  private static final List<String> OURS =
      List.of("host", "content-length", "transfer-encoding", "connection");

  public LoadOptions {
    headers = List.copyOf(headers);
    goodput = Map.copyOf(goodput);
  }

  public URI url() {
    return target.url();
  }

  public String backend() {
    return chat ? "openai-chat" : "openai";
  }

  /// The same kind of requests for a warm-up: without headers, as many at a time as given.
  LoadOptions warmUp(URI server, int concurrency, Duration timeout) {
    return new LoadOptions(
        chat,
        Target.plain(server),
        endpoint,
        List.of(),
        stream,
        ignoreEos,
        temperature,
        extraBody,
        arrivals.atFullLoad(),
        concurrency,
        Duration.ZERO,
        timeout,
        timeout,
        lateBoundMs,
        goodput);
  }

  public static LoadOptions of(Program.Args args, Map<String, String> env) throws ConfigException {
    Config c = args.config();
    boolean chat = c.get(LoadKeys.BACKEND).equals("openai-chat");
    int concurrency = c.find(LoadKeys.MAX_CONCURRENCY).orElse(0L).intValue();
    String endpoint =
        c.find(LoadKeys.ENDPOINT).orElse(chat ? "/v1/chat/completions" : "/v1/completions");
    if (!endpoint.startsWith("/") || endpoint.chars().anyMatch(x -> x <= ' ' || x > '~')) {
      throw new ConfigException("--endpoint: " + endpoint + " (expected: a path, /v1/...)");
    }
    List<Header> headers = headers(args.all("header"), c, env);
    Arrivals arrivals = Arrivals.of(c, concurrency);
    return new LoadOptions(
        chat,
        Target.of(c, headers),
        endpoint,
        headers,
        c.get(LoadKeys.STREAM),
        c.get(LoadKeys.IGNORE_EOS),
        c.find(LoadKeys.TEMPERATURE).orElse(null),
        extraBody(c),
        arrivals,
        concurrency,
        c.get(LoadKeys.THINK_TIME),
        c.get(LoadKeys.REQUEST_TIMEOUT),
        c.get(LoadKeys.READY_CHECK_TIMEOUT_SEC),
        c.get(LoadKeys.LATE_BOUND_MS),
        goodput(args, c.get(LoadKeys.STREAM)));
  }

  private static @Nullable ObjectNode extraBody(Config c) throws ConfigException {
    String text = c.find(LoadKeys.EXTRA_BODY).orElse(null);
    if (text == null) {
      return null;
    }
    try {
      JsonNode n = Json.tree(text.getBytes(StandardCharsets.UTF_8));
      if (n instanceof ObjectNode o) {
        return o;
      }
    } catch (JsonProcessingException notJson) {
      // falls through to the one message
    }
    throw new ConfigException("--extra-body: " + text + " (expected: a JSON object)");
  }

  public static List<Header> headers(List<String> given, Config c, Map<String, String> env)
      throws ConfigException {
    List<Header> out = new ArrayList<>();
    for (String h : given) {
      int cut = h.indexOf('=');
      String name = cut < 0 ? "" : h.substring(0, cut).strip();
      String value = cut < 0 ? "" : h.substring(cut + 1).strip();
      boolean sane = value.chars().allMatch(x -> x >= ' ' && x <= '~');
      if (!FIELD_NAME.matcher(name).matches() || !sane) {
        throw new ConfigException("--header: " + name + " (expected: NAME=VALUE, printable ASCII)");
      }
      if (OURS.contains(name.toLowerCase(Locale.ROOT))) {
        throw new ConfigException(
            "--header: " + name + " (expected: another name; it is set here)");
      }
      out.add(new Header(name, value));
    }
    Optional<String> flag = c.find(LoadKeys.API_KEY);
    String key = flag.orElse(env.getOrDefault(KEY_VARIABLE, "").strip());
    boolean own = out.stream().anyMatch(h -> h.name().equalsIgnoreCase("authorization"));
    if (flag.isPresent() && own) {
      throw new ConfigException("--api-key with --header authorization (expected: one of both)");
    }
    if (!own && (flag.isPresent() || !key.isEmpty())) {
      String place = flag.isPresent() ? LoadKeys.API_KEY.flagName() : KEY_VARIABLE;
      out.add(new Header("Authorization", "Bearer " + Secrets.key(key, place)));
    }
    return out;
  }

  /// `--goodput ttft:500 tpot:50`: what follows the first is left over as arguments.
  private static Map<String, Double> goodput(Program.Args args, boolean stream)
      throws ConfigException {
    List<String> words = new ArrayList<>();
    args.all("goodput").forEach(g -> words.addAll(List.of(g.strip().split("[ ,]+"))));
    if (!words.isEmpty()) {
      words.addAll(args.positionals());
    } else if (!args.positionals().isEmpty()) {
      throw new ConfigException(
          args.positionals().getFirst() + " (expected: flags only; a command needs --observe)");
    }
    Map<String, Double> out = new LinkedHashMap<>();
    for (String w : words) {
      int cut = w.indexOf(':');
      String name = cut < 0 ? "" : w.substring(0, cut);
      double ms = -1;
      try {
        ms = cut < 0 ? -1 : Double.parseDouble(w.substring(cut + 1));
      } catch (NumberFormatException notANumber) {
        // falls through to the one message
      }
      if (!List.of("ttft", "tpot", "e2el").contains(name) || !(ms >= 0)) {
        throw new ConfigException("--goodput: " + w + " (expected: ttft:MS, tpot:MS or e2el:MS)");
      }
      if (!stream && !name.equals("e2el")) {
        throw new ConfigException(
            "--goodput: "
                + w
                + " with --no-stream (expected: e2el:MS; a whole answer has no TTFT and no TPOT)");
      }
      out.put(name, ms);
    }
    return out;
  }
}
