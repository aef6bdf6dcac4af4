package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// `infini down`: ends what `infini up` left running.
public final class DownProgram {
  private static final Key<String> PID_FOLDER =
      Key.text(
          "pid_folder",
          null,
          "End what launch_all_rust.sh noted in this folder instead, as its scripts do.");
  private static final Key<Duration> GRACE =
      Key.seconds(
          "grace",
          10.0,
          0.1,
          "With --pid-folder: seconds from SIGTERM to SIGKILL, for each group.");
  private static final Key<Duration> WITHIN =
      Key.seconds("within", null, 1, "With --pid-folder: seconds for all groups together.");

  public static final Program PROGRAM =
      new Program(
          "down",
          "End what infini up started, router first.",
          List.of(Deployments.ROUTER_PORT, PID_FOLDER, GRACE, WITHIN),
          Map.of("part", "With --pid-folder: end this one alone (repeatable)."),
          "",
          false,
          DownProgram::run);

  private DownProgram() {}

  private static int run(Program.Args args)
      throws ConfigException, IOException, InterruptedException {
    Map<String, String> env = System.getenv();
    Terminal terminal = Terminal.standard(env);
    Optional<String> pids = args.config().find(PID_FOLDER);
    if (pids.isPresent()) {
      return end(
          new PidFolder(Path.of(pids.get())),
          args.all("part"),
          args.config().get(GRACE),
          args.config().find(WITHIN).orElse(null));
    }
    Optional<RunFolder> folder =
        Deployments.choose(env, args.config().find(Deployments.ROUTER_PORT));
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

  /// 1 when nothing ran.
  private static int end(
      PidFolder folder, List<String> parts, Duration grace, @Nullable Duration within)
      throws IOException, InterruptedException {
    if (!Files.isDirectory(folder.path())) {
      System.err.println("nothing was running (" + folder.path() + " is no folder)");
      return 1;
    }
    Predicate<String> wanted = name -> parts.isEmpty() || parts.contains(name);
    State state = folder.read(wanted);
    for (State.Part p : state.parts()) {
      System.out.println(p.name() + ": ending, PID " + p.process().pid());
    }
    Graces graces = within == null ? null : Graces.within(state, within, Ticker.SYSTEM);
    int ended =
        new Ending(Ticker.SYSTEM, System.err::println)
            .end(
                state,
                role -> graces == null ? grace : graces.next(role),
                parts.isEmpty()
                    ? List.of(Ending.MARK + "=" + state.id())
                    : parts.stream()
                        .map(p -> Ending.PART + "=" + Ending.part(state.id(), p))
                        .toList());
    folder.forget(wanted);
    if (ended == 0) {
      System.err.println("nothing was running (no live process noted in " + folder.path() + ")");
      return 1;
    }
    System.out.println(ended + " ended");
    return 0;
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
