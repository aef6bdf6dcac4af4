package org.infinilm.svc.deploy;

import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.infinilm.svc.process.Proc;

/// The parts of a deployment whose state is lost, by what their processes carry and were called
/// with.
final class Survivors {
  private Survivors() {}

  /// A state of what lives; empty when nothing does.
  static Optional<State> of(RunFolder folder) {
    List<State.Part> parts = new ArrayList<>();
    String id = "";
    for (Proc p : Proc.withEnvironment(Ending.FOLDER + "=" + folder.path())) {
      id = Proc.environment(p.pid()).getOrDefault(Ending.MARK, id);
      List<String> words = Proc.commandLine(p.pid());
      for (State.Role role : State.Role.values()) {
        if (words.contains(role.name().toLowerCase(Locale.ROOT))) {
          parts.add(part(folder, role, p, words));
        }
      }
    }
    if (id.isEmpty()) {
      return Optional.empty();
    }
    int router = port(parts, State.Role.ROUTER);
    int registry = port(parts, State.Role.REGISTRY);
    Proc unknown = new Proc(0, "unknown");
    return Optional.of(new State(id, Instant.EPOCH, unknown, "127.0.0.1", registry, router, parts));
  }

  private static State.Part part(RunFolder folder, State.Role role, Proc p, List<String> words) {
    String config = after(words, "--config-file");
    String mark = Proc.environment(p.pid()).getOrDefault(Ending.PART, "");
    String name =
        !mark.isEmpty()
            ? mark.substring(mark.lastIndexOf('/') + 1)
            : config.isEmpty()
                ? role.name().toLowerCase(Locale.ROOT)
                : Path.of(config).getFileName().toString().replaceFirst("\\.toml$", "");
    String said = after(words, role == State.Role.ROUTER ? "--router-port" : "--port");
    int port = said.matches("[0-9]{1,5}") ? Integer.parseInt(said) : 0;
    return new State.Part(
        name,
        role,
        p,
        port,
        URI.create("http://127.0.0.1:" + port + "/health"),
        folder.path().resolve(name + ".log"),
        Instant.EPOCH);
  }

  private static int port(List<State.Part> parts, State.Role role) {
    return parts.stream()
        .filter(p -> p.role() == role)
        .mapToInt(State.Part::port)
        .findFirst()
        .orElse(0);
  }

  private static String after(List<String> words, String flag) {
    int at = words.indexOf(flag);
    return at < 0 || at + 1 >= words.size() ? "" : words.get(at + 1);
  }
}
