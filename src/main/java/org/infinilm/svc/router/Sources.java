package org.infinilm.svc.router;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.TomlFile;

/// All that a router is told from outside when it starts, and again when its files change.
/// Immutable.
///
/// @param aliases `--alias` flags
/// @param instances `--instance` flags
/// @param env where `api_key_env` looks
record Sources(
    Config config, List<String> aliases, List<String> instances, Map<String, String> env) {

  /// What came of reading.
  ///
  /// @param fixed instances of the files and flags
  record Read(Sources of, RouterConfig config, List<Known> fixed) {}

  /// Settings and instances that there are no flags for.
  static Sources of(Config config) {
    return new Sources(config, List.of(), List.of(), System.getenv());
  }

  Read read() throws ConfigException {
    RouterConfig c = RouterConfig.of(config, aliases);
    List<Known> fixed = new ArrayList<>();
    Map<String, String> names = new HashMap<>();
    if (c.staticServices() != null) {
      for (Known k : StaticServices.file(c.staticServices(), env)) {
        add(k, c.staticServices().toString(), fixed, names);
      }
    }
    for (TomlFile t : config.get(RouterConfig.INSTANCES)) {
      add(StaticServices.table(t, env), t.has("name") ? t.place("name") : t.place(), fixed, names);
    }
    for (String spec : instances) {
      add(StaticServices.instance(spec, env), "--instance", fixed, names);
    }
    return new Read(this, c, List.copyOf(fixed));
  }

  private static void add(Known k, String where, List<Known> fixed, Map<String, String> names)
      throws ConfigException {
    String before = names.put(k.name(), where);
    if (before != null) {
      throw new ConfigException(
          where
              + ": instance name "
              + k.name()
              + " given before, at "
              + before
              + " (expected: unique names)");
    }
    fixed.add(k);
  }

  /// The same with the router's file as it is now.
  Sources anew() throws ConfigException {
    return new Sources(config.again(), aliases, instances, env);
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
