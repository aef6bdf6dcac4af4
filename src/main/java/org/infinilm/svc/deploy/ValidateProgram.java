package org.infinilm.svc.deploy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Secrets;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.registry.TokenKeys;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// `infini validate [HOST]`: checks a running deployment; exit 0 only when every check passed.
public final class ValidateProgram {
  private static final Key<Integer> REGISTRY_PORT =
      Key.port("registry_port", 18000, "Port of the registry.").orEnv("REGISTRY_PORT");
  private static final Key<Integer> ROUTER_PORT =
      Key.port("router_port", 8000, "Port of the router.").orEnv("ROUTER_PORT");
  private static final Key<Duration> TIMEOUT =
      Key.seconds("timeout", 60.0, 0.1, "Longest wait for one request, in seconds.");
  private static final Key<String> MODEL =
      Key.text("model", null, "Model to ask (default: one that both pools offer).");
  private static final String KEY_VARIABLE = "OPENAI_API_KEY";
  private static final Key<String> API_KEY =
      Key.text(
          "api_key",
          null,
          "A client's key, sent to the router alone and shown nowhere (default: OPENAI_API_KEY,"
              + " which the list of processes does not show).");
  private static final Key<Boolean> JSON =
      Key.flag("json", false, "Print one JSON document instead of lines.");

  public static final Program PROGRAM =
      new Program(
          "validate",
          "Check a running deployment: health, discovery, models, chat, and where each request"
              + " went.",
          keys(),
          Map.of(
              "expect",
              "Name of an instance that must be there (repeatable; default: the two of infini up,"
                  + " else all that are listed)."),
          "[HOST]",
          false,
          ValidateProgram::run);

  private ValidateProgram() {}

  private static List<Key<?>> keys() {
    List<Key<?>> out =
        new ArrayList<>(
            TlsSettings.andClient(REGISTRY_PORT, ROUTER_PORT, MODEL, API_KEY, TIMEOUT, JSON));
    out.addAll(TokenKeys.ALL);
    return out;
  }

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    if (args.positionals().size() > 1) {
      throw new ConfigException(
          "validate: " + String.join(" ", args.positionals()) + " (expected: at most one HOST)");
    }
    String host = args.positionals().isEmpty() ? "localhost" : args.positionals().getFirst();
    Config c = args.config();
    Validate.Target target =
        Validate.Target.of(
            router(host, c.get(ROUTER_PORT), c.origin(ROUTER_PORT).equals(ROUTER_PORT.flagName())),
            c.get(REGISTRY_PORT),
            args.all("expect"),
            args.config().find(MODEL).orElse(null),
            TokenKeys.toRead(args.config()).orElse(null),
            key(args.config(), System.getenv()));
    Report report = new Report(Terminal.standard(System.getenv()), args.config().get(JSON));
    try (Client client = Client.create().with(TlsSettings.client(args.config()))) {
      Probe probe = new Probe(client, args.config().get(TIMEOUT));
      new Validate(probe, target, report, Ticker.SYSTEM).run();
    }
    return report.finish();
  }

  /// The router's address.
  ///
  /// @param host a name, an address or a URL; with a port it is the router's
  /// @throws ConfigException for what is none of these
  static BaseUrl router(String host, int port, boolean portGiven) throws ConfigException {
    BaseUrl typed = BaseUrl.typed(host, port);
    if (typed == null || !typed.prefix().isEmpty()) {
      throw new ConfigException(
          "validate: "
              + BaseUrl.shown(host)
              + " (expected: the router's host name or address, https:// before it where it speaks TLS, :PORT behind it or --router-port, no path)");
    }
    if (portGiven && typed.port() != port) {
      throw new ConfigException(
          "validate: "
              + typed.authority()
              + " and "
              + ROUTER_PORT.flagName()
              + " "
              + port
              + " (expected: one port of the router)");
    }
    return typed;
  }

  /// As `infini bench` has it.
  static @Nullable String key(Config c, Map<String, String> env) throws ConfigException {
    Optional<String> flag = c.find(API_KEY);
    String key = flag.orElse(env.getOrDefault(KEY_VARIABLE, "").strip());
    return flag.isEmpty() && key.isEmpty()
        ? null
        : Secrets.key(key, flag.isPresent() ? API_KEY.flagName() : KEY_VARIABLE);
  }
}
