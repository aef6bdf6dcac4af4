package org.infinilm.svc.accuracy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.load.Target;
import org.jspecify.annotations.Nullable;

/// The instances behind an address, looked at from outside: whether it is a router at all, who
/// serves, and how many requests each has finished by its own count. Blocking.
public final class FleetView {
  private static final Duration QUICK = Duration.ofSeconds(3);

  /// Names under which an instance counts finished requests, and tokens of prompts; the first found
  /// counts.
  private static final List<String> REQUESTS =
      List.of("infini_engine_requests_total", "vllm:request_success_total");

  private static final List<String> PROMPT_TOKENS =
      List.of("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total");
  private static final Pattern FINGERPRINT = ofInstance("fingerprint");
  private static final Pattern CACHE_TYPE = ofInstance("cache_type");

  private static Pattern ofInstance(String label) {
    return Pattern.compile(
        "(?m)^infini_instance_info\\{[^\n]*\\b" + label + "=\"([^\"\n]{1,200})\"");
  }

  /// One instance.
  public record Seen(String name, URI url, String cacheType, Routing.Own own) {}

  private final Client client;
  private final Target router;

  public FleetView(Client client, Target router) {
    this.client = client;
    this.router = router;
  }

  /// The instances that the router lists, with their counters; null when the address is no router.
  public @Nullable Map<String, Seen> read() throws InterruptedException {
    JsonNode services = json("/services").path("services");
    if (!services.isArray()) {
      return null;
    }
    Map<String, Seen> out = new TreeMap<>();
    for (JsonNode s : services) {
      JsonNode meta = s.path("metadata");
      int port = s.path("port").asInt();
      if (!meta.path("type").asText("openai-api").equals("openai-api") || port <= 0) {
        continue;
      }
      String name = s.path("name").asText();
      String scheme = s.path("url").asText().startsWith("https://") ? "https://" : "http://";
      URI url;
      try {
        url = new URI(scheme + reach(s.path("host").asText()) + ":" + port);
      } catch (URISyntaxException noAddress) {
        // somebody else's entry: there is nothing to ask
        continue;
      }
      out.put(name, new Seen(name, url, meta.path("cache_type").asText(""), own(url)));
    }
    return out;
  }

  /// A host as this machine can reach it.
  private String reach(String host) {
    return switch (IpText.host(host)) {
      case "0.0.0.0", "::", "[::]", "localhost", "127.0.0.1", "::1", "[::1]", "" ->
          router.base().host();
      default -> BaseUrl.bracketed(host);
    };
  }

  /// What the router measures; null when it does not say.
  public @Nullable String metric() throws InterruptedException {
    JsonNode m = json("/decisions?limit=1").path("decisions").path(0).path("metric");
    return m.isTextual() ? m.textValue() : null;
  }

  /// `/decisions`, or a missing node.
  public JsonNode decisions(int limit) throws InterruptedException {
    return json("/decisions?limit=" + limit).path("decisions");
  }

  private JsonNode json(String path) throws InterruptedException {
    try {
      Client.Reply r = router.get(client, path, QUICK);
      return r.ok() ? Json.tree(r.body()) : MissingNode.getInstance();
    } catch (JsonProcessingException noJson) {
      return MissingNode.getInstance();
    } catch (IOException noAnswer) {
      return MissingNode.getInstance();
    }
  }

  private Routing.Own own(URI instance) throws InterruptedException {
    try {
      return own(exposition(instance));
    } catch (IOException noAnswer) {
      return Routing.Own.NOTHING;
    }
  }

  /// The metrics of an instance; empty when it shows none. They are asked for without the
  /// credentials of the router.
  public String exposition(URI instance) throws IOException, InterruptedException {
    Client.Reply r =
        client.with(new Tls(router.tls().caFile(), null)).get(instance.resolve("/metrics"), QUICK);
    return r.ok() ? new String(r.body(), StandardCharsets.UTF_8) : "";
  }

  /// What an exposition says.
  static Routing.Own own(String exposition) {
    Matcher mark = FINGERPRINT.matcher(exposition);
    Matcher type = CACHE_TYPE.matcher(exposition);
    return new Routing.Own(
        counter(exposition, REQUESTS),
        counter(exposition, PROMPT_TOKENS),
        mark.find() ? mark.group(1) : null,
        type.find() ? type.group(1) : null);
  }

  /// The sum over all label sets; null when none of the names is there.
  private static @Nullable Double counter(String exposition, List<String> names) {
    for (String name : names) {
      double sum = 0;
      boolean known = false;
      for (String line : exposition.split("\n")) {
        known |= line.contains(name);
        if (line.startsWith(name)
            && line.length() > name.length()
            && (line.charAt(name.length()) == '{' || line.charAt(name.length()) == ' ')) {
          sum += value(line.substring(Math.max(name.length(), line.lastIndexOf('}') + 1)));
        }
      }
      if (known) {
        return sum;
      }
    }
    return null;
  }

  private static double value(String rest) {
    try {
      return Double.parseDouble(rest.strip().split(" ")[0]);
    } catch (NumberFormatException notASample) {
      return 0;
    }
  }

  /// Both looks at the fleet as one.
  public static Map<String, Routing.Member> between(
      Map<String, Seen> before, @Nullable Map<String, Seen> after) {
    Map<String, Seen> later = after == null ? Map.of() : after;
    Map<String, Routing.Member> out = new TreeMap<>();
    before.forEach((name, b) -> {
      Seen a = later.get(name);
      out.put(
          name,
          new Routing.Member(
              name, b.cacheType(), b.own(), a == null ? Routing.Own.NOTHING : a.own()));
    });
    later.forEach((name, a) ->
        out.putIfAbsent(
            name, new Routing.Member(name, a.cacheType(), Routing.Own.NOTHING, a.own())));
    return out;
  }
}
