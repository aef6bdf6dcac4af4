package org.infinilm.svc.router;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.fleet.Fleet;

/// Names of models as clients use them: aliases, and what is said of names that nobody offers.
/// Immutable.
///
/// @param aliases name to model
/// @param answersByAlias whether answers to a request under an alias name the model so too
/// @param unknownStatus of the answer to a model that nobody offers, 404 or 503
record ModelNames(Map<String, String> aliases, boolean answersByAlias, int unknownStatus) {
  private static final int LONGEST_SHOWN = 100;
  private static final int MOST_SHOWN = 20;
  private static final int MOST_COMPARED = 64;

  ModelNames {
    aliases = Map.copyOf(aliases);
  }

  /// @param pairs `NAME=MODEL` each
  /// @param wrong the error of an alias, by its name
  /// @throws ConfigException with all that is wrong
  static Map<String, String> aliases(
      List<String> pairs, BiFunction<String, String, ConfigException> wrong)
      throws ConfigException {
    Map<String, String> out = new LinkedHashMap<>();
    Wrongs all = new Wrongs();
    for (String pair : pairs) {
      int eq = pair.indexOf('=');
      String name = eq < 0 ? "" : pair.substring(0, eq).strip();
      String model = eq < 0 ? "" : pair.substring(eq + 1).strip();
      if (name.isEmpty() || model.isEmpty()) {
        all.add(wrong.apply(name, pair.strip() + " (expected: NAME=MODEL)").getMessage());
        continue;
      }
      String before = out.put(name, model);
      if (before != null && !before.equals(model)) {
        all.add(
            wrong
                .apply(name, name + " is " + before + " and " + model + " (expected: one model)")
                .getMessage());
      }
    }
    all.end();
    return out;
  }

  /// Says which aliases are of aliases: a name is looked up once.
  ///
  /// @param wrong as for [#aliases]
  static void refuseChains(
      Map<String, String> aliases, BiFunction<String, String, ConfigException> wrong, Wrongs to) {
    aliases.forEach((name, model) -> {
      if (aliases.containsKey(model)) {
        String said = model + " is an alias itself (expected: the name of a model)";
        to.add(wrong.apply(name, name + "=" + model + ": " + said).getMessage());
      }
    });
  }

  /// The model that a client means: one on offer under that very name, else what the alias says.
  String meant(String asked, Fleet fleet) {
    if (aliases.isEmpty() || fleet.forModel(asked) != null) {
      return asked;
    }
    return aliases.getOrDefault(asked, asked);
  }

  /// Whether a key opens a model under a name: it has the name, or the model's own.
  boolean isOpen(String asked, ClientKey key, Fleet fleet) {
    return key.opens(asked) || key.opens(meant(asked, fleet));
  }

  /// What a key opens of what is on offer: models under their own names where it has such, else one
  /// alias for each model.
  List<String> open(ClientKey key, Fleet fleet) {
    if (key.models().isEmpty()) {
      return fleet.models();
    }
    List<String> own = fleet.models().stream().filter(key::opens).toList();
    if (!own.isEmpty() || aliases.isEmpty()) {
      return own;
    }
    Map<String, String> byModel = new TreeMap<>();
    key.models().stream()
        .sorted()
        .forEach(name -> {
          if (fleet.forModel(meant(name, fleet)) != null) {
            byModel.putIfAbsent(meant(name, fleet), name);
          }
        });
    return List.copyOf(byModel.values());
  }

  /// What is said to a request for a model that nobody offers: that it is not found only where
  /// nothing is left to be heard.
  ///
  /// @param asked what the request names
  /// @param meant the model of that name
  ApiError unknown(String asked, String meant, RoutingTable table, long nowNanos) {
    List<String> offered = table.fleet().models();
    String said =
        "No healthy services available for model '"
            + shown(asked)
            + "'"
            + Words.hint(shown(asked), near(asked, offered))
            + "; models on offer: "
            + (offered.isEmpty() ? "none" : list(offered));
    if (table.unread() > 0) {
      return ApiError.unavailable(
          ApiError.NO_HEALTHY_INSTANCE,
          said + "; those of " + table.unread() + " instances are not known yet");
    }
    if (!table.awaited().isEmpty()) {
      return ApiError.unavailable(
          ApiError.NO_HEALTHY_INSTANCE, said + "; " + Tables.unheard(table.awaited()));
    }
    if (table.leftLately(meant, nowNanos)) {
      return ApiError.unavailable(
          ApiError.NO_HEALTHY_INSTANCE, said + "; its last instance has just left");
    }
    return offered.isEmpty()
        ? ApiError.unavailable(ApiError.NO_HEALTHY_INSTANCE, said)
        : ApiError.unknownModel(unknownStatus, said);
  }

  /// Names for a message: the first ones, and how many more there are.
  static String list(List<String> names) {
    StringBuilder b = new StringBuilder();
    for (String n : names.subList(0, Math.min(MOST_SHOWN, names.size()))) {
      b.append(b.isEmpty() ? "" : ", ").append(shown(n));
    }
    return names.size() <= MOST_SHOWN
        ? b.toString()
        : b.append(" and ").append(names.size() - MOST_SHOWN).append(" more").toString();
  }

  /// A name for a message, not longer than such a message should be.
  static String shown(String name) {
    return name.length() > LONGEST_SHOWN ? name.substring(0, LONGEST_SHOWN) + "..." : name;
  }

  /// So many names as can be compared at once: of more than that those around its place in the
  /// order, which begin as it does.
  private static List<String> near(String asked, List<String> sorted) {
    List<String> near = sorted;
    if (sorted.size() > MOST_COMPARED) {
      int at = Collections.binarySearch(sorted, asked);
      int from = Math.clamp((at < 0 ? -at - 1 : at) - MOST_COMPARED / 2, 0, sorted.size());
      near = sorted.subList(from, Math.min(sorted.size(), from + MOST_COMPARED));
    }
    return near.stream().filter(n -> n.length() <= LONGEST_SHOWN).toList();
  }
}
