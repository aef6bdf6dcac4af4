package org.infinilm.svc.deploy;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// `infini up`: starts all parts at once, waits until the instances are routable, shows two answers
/// and stays until it is asked to end, or leaves a detached deployment behind.
final class Up {
  /// How this run behaves, beside what it starts.
  ///
  /// @param patience how long to wait for all instances to serve
  /// @param tls what the parts listen with
  /// @param asks how they are spoken to
  /// @param env added to the environment of each part of a role
  /// @param running all settings, for those who come later
  /// @param asked those that the user gave
  record Manner(
      boolean detach,
      boolean demo,
      Duration patience,
      TlsSettings tls,
      Tls asks,
      Map<State.Role, Map<String, String>> env,
      Asked running,
      Asked asked) {}

  private static final Duration ENDING = Duration.ofSeconds(75);

  private final Plan plan;
  private final Manner manner;
  private final RunFolder folder;
  private final Path home;
  private final Terminal terminal;
  private final Ticker ticker;
  private long startedNanos;

  Up(Plan plan, Manner manner, RunFolder folder, Path home, Terminal terminal, Ticker ticker) {
    this.plan = plan;
    this.manner = manner;
    this.folder = folder;
    this.home = home;
    this.terminal = terminal;
    this.ticker = ticker;
  }

  /// The exit code.
  int run() throws IOException, InterruptedException {
    folder.create();
    try (FileChannel lock = folder.lock()) {
      Optional<State> earlier = folder.read().filter(State::living);
      if (lock == null || earlier.isPresent()) {
        if (lock == null && manner.detach() && earlier.isPresent()) {
          earlier = untilServing(earlier.get());
        }
        return alreadyRuns(earlier);
      }
      List<String> problems = Preflight.problems(plan, home.resolve("model/infini-tiny.gguf"));
      if (!problems.isEmpty()) {
        problems.forEach(Up::complain);
        return 1;
      }
      return start();
    }
  }

  private int start() throws IOException, InterruptedException {
    startedNanos = ticker.nanos();
    LlamaServer server = plan.settings().server();
    if (server != null) {
      terminal.line("engine    llama.cpp's own server: " + String.join(" ", server.command()));
    }
    for (Map.Entry<Path, String> file : plan.files().entrySet()) {
      OwnFiles.write(file.getKey(), file.getValue().getBytes(StandardCharsets.UTF_8));
    }
    Group group = new Group(home.resolve("bin/infini"), folder, emptyState(), ticker);
    folder.write(group.state());
    Lifetime life = Lifetime.ofProcess(ENDING);
    life.onEnd(() -> end(group, life));
    life.onHurry(() -> killAll(group));
    int code = 1;
    try {
      code = serve(group, life);
    } catch (IOException e) {
      settled = true;
      complain(String.valueOf(e.getMessage()));
    }
    life.end(code);
    return code;
  }

  private State emptyState() {
    String id = HexFormat.of().toHexDigits(RandomGenerator.getDefault().nextLong());
    long pid = ProcessHandle.current().pid();
    Proc self = Proc.of(pid).orElse(new Proc(pid, "unknown"));
    Plan.Settings s = plan.settings();
    return new State(
        id,
        ticker.now(),
        self,
        s.local(),
        s.registryPort(),
        s.routerPort(),
        manner.running(),
        false,
        List.of());
  }

  private int serve(Group group, Lifetime life) throws IOException, InterruptedException {
    for (Plan.Part p : plan.parts()) {
      group.start(p, manner.env().getOrDefault(p.role(), Map.of()));
    }
    try (Client client = Client.create().with(manner.asks())) {
      Readiness readiness = new Readiness(client, plan, group, ticker, this::tellReady);
      Optional<String> failure = readiness.await(manner.patience());
      if (group.isEnding()) {
        return life.await();
      }
      if (failure.isPresent()) {
        settled = true;
        complain(failure.get());
        return 1;
      }
      group.serves();
      terminal.line("serving after " + elapsed());
      if (manner.demo()) {
        new Demo(client, plan.settings().router(), plan.model(), terminal, ticker).run();
      }
    }
    tellAddresses();
    if (manner.detach()) {
      group.beginEnd();
      settled = true;
      detached = true;
      return 0;
    }
    return watch(group, life);
  }

  private volatile boolean detached;

  /// What came of it was said, or is said by the exit code.
  private volatile boolean settled;

  /// Stays until a signal; a router that ends by itself ends everything, any other part is said.
  private int watch(Group group, Lifetime life) throws InterruptedException {
    while (!group.isEnding()) {
      Optional<Group.Dead> dead = group.dead();
      if (dead.isPresent()) {
        complain(dead.get().describe());
        if (dead.get().part().role() == State.Role.ROUTER) {
          return 1;
        }
        complain("the other parts keep running");
        group.forget(dead.get().part());
      }
      Thread.sleep(200);
    }
    return life.await();
  }

  private void end(Group group, Lifetime life) throws IOException, InterruptedException {
    if (detached) {
      return;
    }
    if (manner.detach() && !settled) {
      // Who waits for a deployment that serves has none.
      complain("was asked to end before everything served (infini down, or a signal); ending");
      life.end(1);
    }
    State state = group.beginEnd();
    new Ending(ticker, terminal::progress).end(state);
    folder.forget();
  }

  /// Asked twice: nothing is waited for, and nothing is left.
  private void killAll(Group group) throws IOException {
    String id = group.beginEnd().id();
    complain("asked again: killing all parts");
    Proc.withEnvironment(Ending.MARK + "=" + id).forEach(p -> p.signal(true));
    folder.forget();
  }

  /// Another one that starts now: its state once it serves or has ended.
  private Optional<State> untilServing(State starting) throws IOException, InterruptedException {
    long until = ticker.nanos() + manner.patience().toNanos();
    State s = starting;
    terminal.progress("another infini up is starting it; waiting");
    while (!s.serving() && ticker.nanos() < until) {
      Optional<State> now = folder.read().filter(State::living);
      if (now.isEmpty()) {
        return now;
      }
      s = now.get();
      Thread.sleep(200);
    }
    return Optional.of(s);
  }

  private int alreadyRuns(Optional<State> earlier) {
    if (earlier.isEmpty()) {
      complain("another infini up is starting in " + folder.path());
      return 1;
    }
    State s = earlier.get();
    List<String> gone =
        s.parts().stream().filter(p -> !p.process().alive()).map(State.Part::name).toList();
    String what = "a deployment with router port " + s.routerPort() + " runs since " + s.started();
    if (!s.serving()) {
      complain(what + " and does not serve yet (infini status shows it, infini down ends it)");
      return 1;
    }
    if (!manner.detach() || !gone.isEmpty()) {
      complain(
          what
              + (gone.isEmpty() ? "" : ", without " + String.join(", ", gone))
              + " (infini status shows it, infini down ends it, --router-port starts another)");
      return 1;
    }
    List<String> other =
        s.asked().values().isEmpty() ? List.of() : manner.asked().besides(s.asked());
    if (!other.isEmpty()) {
      complain(what);
      other.forEach(Up::complain);
      complain("nothing was changed (infini down ends it; then start it again)");
      return 1;
    }
    terminal.line(what);
    tellAddresses();
    return 0;
  }

  private void tellReady(String name, URI address) {
    terminal.line(String.format(Locale.ROOT, "  %-42s %-28s %s", name, address, elapsed()));
  }

  /// The first model on offer, for deployments whose files name their own.
  private String firstModel(String base) {
    try (Client client = Client.create().with(manner.asks())) {
      byte[] models = client.get(URI.create(base + "/models"), Duration.ofSeconds(5)).body();
      return Json.tree(models).path("data").path(0).path("id").asText(plan.model());
    } catch (IOException e) {
      return plan.model();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return plan.model();
    }
  }

  private void tellAddresses() {
    Plan.Settings s = plan.settings();
    String base = s.shown().toString();
    terminal.line("router    " + base + "/v1  (also /models, /decisions, /metrics)");
    terminal.line(
        "page      "
            + base
            + "/ui  (in the terminal: infini top "
            + base
            + flags("--ca-file", "--client-cert", "--client-key")
            + ")");
    terminal.line(
        "threshold infini whatif --url "
            + base
            + flags("--ca-file", "--client-cert", "--client-key")
            + "  (what another would have come to, once 20 requests were answered)");
    terminal.line("registry  " + s.shown(s.registryPort()));
    terminal.line("logs      " + folder.path());
    terminal.line("");
    String asked = s.configs().isEmpty() ? plan.model() : firstModel(base);
    terminal.line(
        "  curl"
            + flags("--cacert", "--cert", "--key")
            + " "
            + base
            + "/v1/chat/completions -H 'content-type: application/json' -d '{\"model\":\""
            + asked
            + "\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'");
    terminal.line("");
    String port = s.routerPort() == 8000 ? "" : " --router-port " + s.routerPort();
    terminal.line(manner.detach() ? "infini down" + port + " ends it." : "Ctrl-C ends it.");
  }

  /// What a client on this machine needs to be told of TLS, by a program's names for it.
  private String flags(String authorities, String cert, String key) {
    TlsSettings tls = manner.tls();
    StringBuilder out = new StringBuilder();
    if (tls.listens() && tls.caFile() != null) {
      out.append(' ').append(authorities).append(' ').append(tls.caFile());
    }
    Tls.Own own = tls.own();
    if (tls.listens() && tls.clientCa() != null && own != null) {
      out.append(' ').append(cert).append(' ').append(own.cert());
      out.append(' ').append(key).append(' ').append(own.key());
    }
    return out.toString();
  }

  /// Time since the parts were started, in words; the build of a first start is not in it.
  private String elapsed() {
    return String.format(Locale.ROOT, "%.2f s", (ticker.nanos() - startedNanos) / 1e9);
  }

  static void complain(@Nullable String text) {
    System.err.println("infini: " + text);
  }
}
