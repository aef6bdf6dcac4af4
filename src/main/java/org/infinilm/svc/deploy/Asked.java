package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// The settings that a deployment was started with, kept beside it, so that another `infini up` can
/// tell that it was asked for something else. Secrets are left out.
///
/// @param values by the names under which a user gave them: a flag's key, or a variable
record Asked(Map<String, String> values) {
  /// Variables of the seed that the parts read.
  private static final Set<String> READ =
      Set.of(
          "CACHE_TYPE_ROUTING_THRESHOLD",
          "CACHE_TYPE_ROUTING_METRIC",
          "PROXY_TIMEOUT_SECONDS",
          "MODEL1_DIR",
          "INSTANCE_HOST");

  /// Variables that say how this command runs, not what it starts.
  private static final Pattern OF_THE_LAUNCHER =
      Pattern.compile(
          "INFINI_(HOME|NO_BUILD|DEPLOYMENT|JAVA_OPTS|LOG_FILE|RUN_FOLDER|SUPERVIS.*|PART.*|INSTANCE)");

  private static final Pattern SECRET = Pattern.compile(".*(TOKEN|KEY|SECRET|PASSWORD).*");

  Asked {
    values = Map.copyOf(values);
  }

  /// These settings, and those of the environment that the parts inherit.
  static Asked of(Map<String, String> settings, Map<String, String> env) {
    Map<String, String> all = new TreeMap<>(settings);
    env.forEach((name, value) -> {
      boolean read = name.startsWith("INFINI_") || READ.contains(name);
      if (read && !OF_THE_LAUNCHER.matcher(name).matches() && !SECRET.matcher(name).matches()) {
        all.put(name, value);
      }
    });
    return new Asked(all);
  }

  /// What is asked for now and is not what runs, a line each; what is not asked for now may be as
  /// it is.
  ///
  /// @param running what the deployment was started with
  List<String> besides(Asked running) {
    List<String> out = new ArrayList<>();
    new TreeMap<>(values)
        .forEach((name, value) -> {
          String has = running.values.get(name);
          if (!value.equals(has)) {
            String runs = has == null ? "its default" : has;
            out.add(name + ": it runs with " + runs + ", you asked for " + value);
          }
        });
    return out;
  }
}
