package org.infinilm.svc.deploy;

import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.tls.TlsSettings;

/// The parts of a deployment whose state is lost, by what their processes carry and were called
/// with.
final class Survivors {
  private Survivors() {}

  /// A state of what lives; empty when nothing does.
  static Optional<State> of(RunFolder folder) {
    List<State.Part> parts = new ArrayList<>();
    String id = "";
    for (Proc p : Proc.withEnvironment(Ending.FOLDER + "=" + folder.path())) {
      if (!Proc.sharesFiles(p.pid())) {
        continue;
      }
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
    Instant started =
        parts.stream().map(State.Part::started).min(Instant::compareTo).orElse(Instant.EPOCH);
    return Optional.of(
        new State(
            id,
            started,
            unknown,
            address(parts),
            registry,
            router,
            new Asked(Map.of()),
            true,
            parts));
  }

  private static State.Part part(RunFolder folder, State.Role role, Proc p, List<String> words) {
    String config = after(words, "--config-file");
    Map<String, String> env = Proc.environment(p.pid());
    String mark = env.getOrDefault(Ending.PART, "");
    String name =
        !mark.isEmpty()
            ? mark.substring(mark.lastIndexOf('/') + 1)
            : config.isEmpty()
                ? role.name().toLowerCase(Locale.ROOT)
                : Path.of(config).getFileName().toString().replaceFirst("\\.toml$", "");
    String flag = after(words, role == State.Role.ROUTER ? "--router-port" : "--port");
    String said = env.getOrDefault(Ending.PORT, flag);
    int port =
        said.matches("[0-9]{1,5}")
            ? Integer.parseInt(said)
            : config.isEmpty() ? 0 : configured(Path.of(config));
    String host = local(after(words, role == State.Role.BABYSITTER ? "--bind-host" : "--host"));
    boolean secure = !env.getOrDefault(TlsSettings.CERT.envName(), "").isEmpty();
    int own = role == State.Role.BABYSITTER ? port + 1 : port;
    return new State.Part(
        name,
        role,
        p,
        port,
        URI.create((secure ? "https://" : "http://") + host + ":" + own + "/health"),
        folder.path().resolve(name + ".log"),
        ProcessHandle.of(p.pid()).flatMap(h -> h.info().startInstant()).orElse(Instant.EPOCH));
  }

  /// The port in a babysitter's file, 0 where it cannot be read.
  private static int configured(Path file) {
    try {
      Long port = TomlFile.read(file).whole("port", 1, 65534);
      return port == null ? 0 : port.intValue();
    } catch (ConfigException unreadable) {
      return 0;
    }
  }

  /// Where this machine reaches what listens on a host.
  private static String local(String host) {
    return host.isEmpty() || Plan.Settings.isAny(host) ? "127.0.0.1" : BaseUrl.bracketed(host);
  }

  private static String address(List<State.Part> parts) {
    return parts.stream()
        .filter(p -> p.role() == State.Role.ROUTER)
        .map(p -> p.health().getHost())
        .findFirst()
        .orElse("127.0.0.1");
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
