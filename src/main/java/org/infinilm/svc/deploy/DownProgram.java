package org.infinilm.svc.deploy;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.telemetry.Ticker;

/// `infini down`: ends what `infini up` left running.
public final class DownProgram {
  private static final Key<Integer> ROUTER_PORT =
      Key.port(
          "router_port", null, "Router port of the deployment (default: the only one there is).");

  public static final Program PROGRAM =
      new Program(
          "down",
          "End what infini up started, router first.",
          List.of(ROUTER_PORT),
          Map.of(),
          "",
          false,
          DownProgram::run);

  private DownProgram() {}

  private static int run(Program.Args args)
      throws ConfigException, IOException, InterruptedException {
    Map<String, String> env = System.getenv();
    Terminal terminal = Terminal.standard(env);
    Optional<RunFolder> folder = Deployments.choose(env, args.config().find(ROUTER_PORT));
    if (folder.isEmpty()) {
      return Deployments.nothing(env, terminal) ? 0 : 1;
    }
    Optional<State> state = folder.get().read();
    if (state.isEmpty()) {
      terminal.line("nothing runs (" + folder.get().path() + " describes nothing that lives)");
      return 0;
    }
    return end(folder.get(), state.get(), terminal);
  }

  static int end(RunFolder folder, State state, Terminal terminal)
      throws IOException, InterruptedException {
    Ending ending = new Ending(Ticker.SYSTEM, terminal::line);
    boolean ran = state.living();
    if (state.up().alive()) {
      state.up().signal(false);
      boolean gone = ending.await(List.of(state.up()), Duration.ofSeconds(80)).isEmpty();
      if (!gone) {
        terminal.line("infini up (pid " + state.up().pid() + ") did not end; killing it");
        state.up().signal(true);
      }
      terminal.line("infini up (pid " + state.up().pid() + ") ended");
    }
    // What up wrote down last counts: it may have started more before it ended.
    State last = folder.read().orElse(state);
    ending.end(last);
    List<String> held = heldPorts(last);
    held.forEach(terminal::line);
    folder.forget();
    if (held.isEmpty()) {
      terminal.line(ran ? "all ended, all ports free" : "nothing ran any more, all ports free");
    }
    return held.isEmpty() ? 0 : 1;
  }

  private static List<String> heldPorts(State state) {
    List<String> out = new ArrayList<>();
    for (State.Part p : state.parts()) {
      for (int port : p.ports()) {
        if (!Preflight.isFree(state.address(), port)) {
          out.add(
              "port "
                  + port
                  + " of "
                  + p.name()
                  + " is still held"
                  + PortOwner.find(port).map(o -> " by " + o).orElse(""));
        }
      }
    }
    return out;
  }
}
