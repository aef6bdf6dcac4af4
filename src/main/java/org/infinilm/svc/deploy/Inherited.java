package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.registry.TokenKeys;

/// What the parts of a deployment read of the environment, by their own lists of settings, beside
/// what `infini up` reads itself and gives them.
final class Inherited {
  /// Variables of the two deployment cases and of the launcher, which are no settings of a program.
  private static final List<String> RAW =
      List.of("MODEL1_DIR", "INSTANCE_HOST", "INFINI_VECTORS", LlamaServer.VARIABLE);

  /// What `infini up` tells its parts itself.
  private static final Pattern SET_HERE =
      Pattern.compile("INFINI_(LOG_FILE|CONFIG_FILE|REGISTRY_URL|BIND_HOST|ADVERTISE_HOST)");

  private final Map<String, List<Key<?>>> ofParts = new LinkedHashMap<>();
  private final Set<String> ofUp = new HashSet<>();

  /// One of them that is set.
  ///
  /// @param name of the setting, whichever of its variables gave it
  /// @param variable that gave it
  /// @param value as it is understood
  /// @param defaults what it is where nothing gives it; several where parts differ
  record Setting(String name, String variable, String value, Set<String> defaults) {}

  Inherited(List<Program> parts, Program up) {
    for (Key<?> k : up.keys()) {
      variables(k).forEach(ofUp::add);
    }
    for (Key<?> k : TokenKeys.ALL) {
      variables(k).forEach(ofUp::add);
    }
    for (Program p : parts) {
      for (Key<?> k : p.keys()) {
        if (!k.isTables()) {
          ofParts.computeIfAbsent(k.name(), _ -> new ArrayList<>()).add(k);
        }
      }
    }
  }

  List<Setting> of(Map<String, String> env) {
    List<Setting> out = new ArrayList<>();
    ofParts.forEach((name, keys) ->
        first(keys, env)
            .ifPresent(variable -> {
              String value = typed(keys.getFirst(), env.getOrDefault(variable, ""));
              Set<String> defaults = new TreeSet<>(keys.stream().map(Key::show).toList());
              out.add(new Setting(name, variable, value, defaults));
            }));
    for (String variable : RAW) {
      if (env.containsKey(variable)) {
        out.add(new Setting(variable, variable, env.getOrDefault(variable, ""), Set.of()));
      }
    }
    return out;
  }

  private Optional<String> first(List<Key<?>> keys, Map<String, String> env) {
    return keys.stream()
        .flatMap(Inherited::variables)
        .filter(v -> env.containsKey(v) && !ofUp.contains(v) && !SET_HERE.matcher(v).matches())
        .findFirst();
  }

  private static Stream<String> variables(Key<?> k) {
    return Stream.concat(k.env().stream(), Stream.of(k.envName()));
  }

  /// As its program understands it; what it cannot use is left as it is.
  private static String typed(Key<?> key, String text) {
    try {
      return Key.typed(key.type().parser().parse(text));
    } catch (IllegalArgumentException unusable) {
      return text;
    }
  }
}
