package org.infinilm.svc.router;

import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// All that a router is told from outside when it starts, and again when its files change.
/// Immutable.
///
/// @param aliases `--alias` flags
/// @param instances `--instance` flags
/// @param env where `api_key_env` looks
record Sources(
    Config config, List<String> aliases, List<String> instances, Map<String, String> env) {
  /// Stands for those that SRV records say.
  private static final int ANY_PORT = 80;

  /// What came of reading.
  ///
  /// @param fixed instances of the files and flags
  record Read(Sources of, RouterConfig config, List<Known> fixed) {}

  /// What a command line names, with the environment of this process.
  static Sources of(Program.Args args) {
    return new Sources(args.config(), args.all("alias"), args.all("instance"), System.getenv());
  }

  /// @throws ConfigException with all that is wrong
  Read read() throws ConfigException {
    Wrongs wrong = new Wrongs();
    RouterConfig c = wrong.<@Nullable RouterConfig>of(() -> RouterConfig.of(config, aliases), null);
    List<Known> fixed = wrong.of(this::fixed, List.of());
    if (c != null) {
      wrong.in(() -> discovered(c.discover()));
    }
    wrong.end();
    return new Read(this, Objects.requireNonNull(c), fixed);
  }

  /// The same before a start: the files of TLS are looked at too, and whether those that it writes
  /// can be.
  Read forStart(InstantSource clock) throws ConfigException {
    Wrongs wrong = new Wrongs();
    Read read = wrong.<@Nullable Read>of(this::read, null);
    wrong.in(() -> TlsSettings.forStart(config, clock));
    wrong.in(() -> Learning.forStart(config));
    wrong.end();
    return Objects.requireNonNull(read);
  }

  /// Instances of the files and flags.
  private List<Known> fixed() throws ConfigException {
    Wrongs wrong = new Wrongs();
    List<Known> fixed = new ArrayList<>();
    Map<String, String> names = new HashMap<>();
    wrong.in(() -> {
      Optional<String> services = config.find(RouterConfig.STATIC);
      if (services.isPresent()) {
        for (Known k : StaticServices.file(Path.of(services.get()), env)) {
          wrong.in(() -> add(k, services.get(), fixed, names));
        }
      }
    });
    wrong.in(() -> {
      for (TomlFile t : config.get(RouterConfig.INSTANCES)) {
        String place = t.has("name") ? t.place("name") : t.place();
        wrong.in(() -> fixed.add(StaticServices.table(t, env)));
        String name = wrong.<@Nullable String>of(() -> StaticServices.nameOf(t), null);
        wrong.in(() -> note(name, place, names));
      }
    });
    for (String spec : instances) {
      wrong.in(() -> add(StaticServices.instance(spec, env), "--instance", fixed, names));
    }
    wrong.end();
    return List.copyOf(fixed);
  }

  /// Throws where the options that a source gives to all of its instances cannot be used.
  private void discovered(List<SourceSpec> sources) throws ConfigException {
    Wrongs wrong = new Wrongs();
    for (SourceSpec s : sources) {
      if (s instanceof SourceSpec.Dns d) {
        String at = config.place(RouterConfig.DISCOVER) + ": " + d.text();
        int port = d.srv() ? ANY_PORT : d.port();
        Found one = new Found(d.scheme() + "://" + d.name() + ":" + port, d.options(), o -> at);
        wrong.in(() -> StaticServices.found(one, d.text(), env));
      }
    }
    wrong.end();
  }

  private static void add(Known k, String where, List<Known> fixed, Map<String, String> names)
      throws ConfigException {
    note(k.name(), where, names);
    fixed.add(k);
  }

  private static void note(@Nullable String name, String where, Map<String, String> names)
      throws ConfigException {
    String before = name == null ? null : names.put(name, where);
    if (before != null) {
      throw new ConfigException(
          where
              + ": instance name "
              + name
              + " given before, at "
              + before
              + " (expected: unique names)");
    }
  }

  /// The same with the router's file as it is now.
  ///
  /// @param wrong told of values that cannot be used
  Sources anew(Wrongs wrong) throws ConfigException {
    return new Sources(config.again(wrong), aliases, instances, env);
  }

  /// The files that it comes from.
  Set<Path> files() {
    Set<Path> out = new LinkedHashSet<>();
    config.file().ifPresent(out::add);
    Optional<String> services = config.find(RouterConfig.STATIC);
    services.map(Path::of).ifPresent(out::add);
    return out;
  }
}
