package org.infinilm.svc.deploy;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;

/// The processes that this `infini up` started. Every process gets a session of its own, so that a
/// Ctrl-C at the terminal reaches `up` alone, which ends them in order. Thread-safe.
final class Group {
  /// A part that ended by itself.
  record Dead(State.Part part, int exitCode) {
    /// Name, exit code and the last lines of its log.
    String describe() {
      String how =
          exitCode > 128
              ? "was ended by signal " + (exitCode - 128)
              : "ended with exit code " + exitCode;
      return part.name() + " " + how + tail(part.log());
    }
  }

  private static final Set<String> OF_ONE_INSTANCE =
      Set.of(
          "NOTIFY_SOCKET",
          "INFINI_NAME",
          "INFINI_PORT",
          "INFINI_HOST",
          "INFINI_BIND_HOST",
          "INFINI_ADVERTISE_HOST",
          "INFINI_CONFIG_FILE",
          "INFINI_SERVICE_TYPE",
          "INFINI_COMMAND",
          "INFINI_ARGS",
          "INFINI_PATH");

  private final Path launcher;
  private final RunFolder folder;
  private final Ticker ticker;
  private final Map<String, Process> children = new LinkedHashMap<>();
  private State state;
  private boolean ending;

  Group(Path launcher, RunFolder folder, State empty, Ticker ticker) {
    this.launcher = launcher;
    this.folder = folder;
    this.state = empty;
    this.ticker = ticker;
  }

  synchronized State state() {
    return state;
  }

  /// Starts one part and writes it down; does nothing once the end has begun.
  ///
  /// @param env added to its environment, under what the part itself wants
  synchronized void start(Plan.Part part, Map<String, String> env) throws IOException {
    if (ending) {
      return;
    }
    Path log = folder.log(part.name());
    List<String> command = new ArrayList<>(session());
    command.add(launcher.toString());
    command.addAll(part.arguments());
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    // Who and where an instance is, its file says; a variable would say the same of all.
    builder.environment().keySet().removeAll(OF_ONE_INSTANCE);
    builder.environment().putAll(env);
    builder.environment().putAll(part.env());
    builder.environment().put(Ending.MARK, state.id());
    builder.environment().put(Ending.PART, Ending.part(state.id(), part.name()));
    builder.environment().put(Ending.PORT, String.valueOf(part.port()));
    builder.environment().put(Ending.FOLDER, folder.path().toString());
    Process process = builder.start();
    children.put(part.name(), process);
    Proc proc = Proc.of(process.pid()).orElse(new Proc(process.pid(), "ended"));
    state =
        state.with(
            new State.Part(
                part.name(), part.role(), proc, part.port(), part.health(), log, ticker.now()));
    folder.write(state);
  }

  /// What puts a program into a session of its own, or at least saves it from the terminal's end.
  private static List<String> session() {
    for (String tool : List.of("setsid", "nohup")) {
      for (String dir : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)) {
        if (!dir.isEmpty() && Files.isExecutable(Path.of(dir, tool))) {
          return List.of(tool);
        }
      }
    }
    return List.of();
  }

  /// Writes down that all parts serve.
  synchronized void serves() throws IOException {
    state = state.inService();
    folder.write(state);
  }

  /// The first part that has ended by itself, while the end has not begun.
  synchronized Optional<Dead> dead() {
    if (ending) {
      return Optional.empty();
    }
    for (State.Part p : state.parts()) {
      Process child = children.get(p.name());
      if (child != null && !child.isAlive()) {
        return Optional.of(new Dead(p, child.exitValue()));
      }
    }
    return Optional.empty();
  }

  /// Stops watching a part that is known to have ended.
  synchronized void forget(State.Part part) {
    children.remove(part.name());
  }

  /// Nothing is started or reported dead from now on.
  synchronized State beginEnd() {
    ending = true;
    return state;
  }

  synchronized boolean isEnding() {
    return ending;
  }

  static String tail(Path log) {
    List<String> last = RunFolder.tail(log, 15);
    return last.isEmpty()
        ? "; its log " + log + " is empty"
        : "; the end of " + log + ":\n  " + String.join("\n  ", last);
  }
}
