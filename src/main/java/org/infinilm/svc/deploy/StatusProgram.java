package org.infinilm.svc.deploy;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;

/// `infini status`: what `infini up` started and how it is; exit 0 when all is well.
public final class StatusProgram {
  private static final Key<Boolean> JSON =
      Key.flag("json", false, "Print one JSON document instead of tables.");

  public static final Program PROGRAM =
      new Program(
          "status",
          "Show what infini up started: parts, instances, requests.",
          TlsSettings.andClient(Deployments.ROUTER_PORT, JSON),
          Map.of(),
          "",
          false,
          StatusProgram::run);

  private StatusProgram() {}

  /// What is not given is as `up` was given it.
  private record Known(Config c, State s) implements TlsSettings.Source {
    @Override
    public Optional<String> text(Key<String> key) throws ConfigException {
      Optional<String> given = c.find(key);
      return given.isPresent() ? given : Optional.ofNullable(s.asked().values().get(key.name()));
    }

    @Override
    public String place(Key<String> key) {
      return key.flagName();
    }
  }

  private static int run(Program.Args args)
      throws ConfigException, IOException, InterruptedException {
    Map<String, String> env = System.getenv();
    Terminal terminal = Terminal.standard(env);
    Optional<RunFolder> folder =
        Deployments.choose(env, args.config().find(Deployments.ROUTER_PORT));
    Optional<State> state = folder.isEmpty() ? Optional.empty() : folder.get().read();
    boolean json = args.config().get(JSON);
    if (state.isEmpty()) {
      if (json) {
        terminal.line(Json.text(Map.of("ok", false, "parts", List.of(), "instances", List.of())));
      } else {
        Deployments.nothing(env, terminal);
      }
      return 1;
    }
    Tls tls = TlsSettings.client(new Known(args.config(), state.get()));
    try (Client client = Client.create().with(tls)) {
      Probe probe = new Probe(client, Duration.ofSeconds(2));
      Status status = Status.look(state.get(), probe, Ticker.SYSTEM.now());
      terminal.line(json ? Json.text(status.json()) : status.tables(terminal));
      return status.ok() ? 0 : 1;
    }
  }
}
