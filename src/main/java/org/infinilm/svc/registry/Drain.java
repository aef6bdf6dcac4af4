package org.infinilm.svc.registry;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.tls.TlsSettings;

/// `infini drain NAME`: takes an instance out of service gently. Its requests in flight go on; the
/// router sends it no new ones. Its babysitter is told, which keeps it so; where that cannot be
/// reached, the registry, which forgets it when the instance registers again.
final class Drain {
  private static final String SUFFIX = "-server";
  private static final Duration TIMEOUT = Duration.ofSeconds(3);
  private static final Key<String> REGISTRY_URL =
      Key.text(
          "registry_url",
          "http://127.0.0.1:18000",
          "Address of the registry, or of several over one store with commas between.");
  private static final Key<Boolean> UNDO =
      Key.flag("undo", false, "Put the instance back in service.");
  private static final Key<String> ADMIN_TOKEN =
      Key.text("admin_token", null, "Token of babysitters on other machines.");

  static final Program PROGRAM =
      new Program(
          "drain",
          "Take instance NAME (as infini status lists it) out of service gently, through its"
              + " babysitter or the registry.",
          keys(),
          Map.of(),
          "NAME",
          false,
          Drain::run);

  /// Tells a babysitter; its status, or 0 when it cannot be reached.
  @FunctionalInterface
  interface Babysitters {
    int post(URI address) throws InterruptedException;
  }

  private Drain() {}

  private static List<Key<?>> keys() {
    List<Key<?>> out = new ArrayList<>(TlsSettings.andClient(REGISTRY_URL, UNDO, ADMIN_TOKEN));
    out.addAll(TokenKeys.ALL);
    return out;
  }

  private static int run(Program.Args args) throws Exception {
    Config c = args.config();
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "drain: " + args.positionals().size() + " names given (expected: one NAME)");
    }
    RegistryClient.Urls urls = addresses(c.get(REGISTRY_URL));
    try (Client http = Client.create().with(TlsSettings.client(c))) {
      RegistryClient registry = new RegistryClient(http, urls, TokenKeys.toChange(c).orElse(null));
      String token = c.find(ADMIN_TOKEN).orElse("");
      Headers headers = Headers.bearer(token);
      return run(
          registry, uri -> post(http, uri, headers), args.positionals().getFirst(), c.get(UNDO));
    }
  }

  private static int post(Client http, URI uri, Headers headers) throws InterruptedException {
    try {
      return http.send("POST", uri, headers, new byte[0], TIMEOUT).status();
    } catch (IOException unreachable) {
      return 0;
    }
  }

  static int run(RegistryClient registry, Babysitters babysitters, String name, boolean undo)
      throws IOException, InterruptedException {
    Map<String, Service> known = new TreeMap<>();
    registry.services().forEach(s -> known.put(s.name(), s));
    String base = base(known, name);
    String status = undo ? Entry.RUNNING : Entry.DRAINING;
    Service management = known.get(base);
    if (management != null && tell(babysitters, management, undo)) {
      System.out.println(base + ": " + management.status() + " -> " + status);
      return 0;
    }
    int done = 0;
    for (String n : List.of(base + SUFFIX, base)) {
      Service s = known.get(n);
      if (s != null && registry.setStatus(n, status)) {
        System.out.println(n + ": " + s.status() + " -> " + status + " (in the registry)");
        done++;
      }
    }
    if (done == 0) {
      System.err.println(
          "drain: "
              + name
              + ": no such service (registered: "
              + (known.isEmpty() ? "none" : String.join(", ", known.keySet()))
              + ")");
      return 1;
    }
    return 0;
  }

  /// The instance's own name, whether it or that of its server was given.
  private static String base(Map<String, Service> known, String name) {
    boolean server =
        name.endsWith(SUFFIX)
            && !known.containsKey(name + SUFFIX)
            && name.length() > SUFFIX.length();
    return server ? name.substring(0, name.length() - SUFFIX.length()) : name;
  }

  private static boolean tell(Babysitters babysitters, Service management, boolean undo)
      throws InterruptedException {
    if (!management.metadata().containsKey("babysitter")) {
      return false;
    }
    BaseUrl url = BaseUrl.parse(management.url());
    if (url == null) {
      return false;
    }
    int status = babysitters.post(URI.create(url + (undo ? "/undrain" : "/drain")));
    if (status == 401 || status == 403) {
      System.err.println(
          "drain: the babysitter of "
              + management.name()
              + " at "
              + url
              + " wants its admin token (INFINI_ADMIN_TOKEN); telling the registry alone, which"
              + " forgets it when the instance registers again");
    }
    return status >= 200 && status < 300;
  }

  /// Registries over one store, with commas between, as babysitters and routers take them.
  static RegistryClient.Urls addresses(String text) throws ConfigException {
    List<URI> out = new ArrayList<>();
    for (String one : text.split(",", -1)) {
      BaseUrl typed = BaseUrl.typed(one.strip());
      if (typed == null) {
        throw new ConfigException(
            "--registry-url: " + BaseUrl.shown(text) + " (expected: http://host:port)");
      }
      out.add(URI.create(typed.toString()));
    }
    return new RegistryClient.Urls(out);
  }
}
