package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.fleet.Fleet;

/// Names of models as clients use them: aliases, and what is said of names that nobody offers.
/// Immutable.
///
/// @param aliases name to model
/// @param unknownStatus of the answer to a model that nobody offers, 404 or 503
record ModelNames(Map<String, String> aliases, int unknownStatus) {
  private static final int LONGEST_SHOWN = 100;

  ModelNames {
    aliases = Map.copyOf(aliases);
  }

  /// @param pairs `NAME=MODEL` each
  /// @param place where they were given, for errors
  static Map<String, String> aliases(List<String> pairs, String place) throws ConfigException {
    Map<String, String> out = new HashMap<>();
    for (String pair : pairs) {
      int eq = pair.indexOf('=');
      String name = eq < 0 ? "" : pair.substring(0, eq).strip();
      String model = eq < 0 ? "" : pair.substring(eq + 1).strip();
      if (name.isEmpty() || model.isEmpty()) {
        throw new ConfigException(place + ": " + pair + " (expected: NAME=MODEL)");
      }
      String before = out.put(name, model);
      if (before != null && !before.equals(model)) {
        throw new ConfigException(
            place + ": " + name + " is " + before + " and " + model + " (expected: one model)");
      }
    }
    for (String model : out.values()) {
      if (out.containsKey(model)) {
        throw new ConfigException(
            place + ": " + model + " is an alias itself (expected: the name of a model)");
      }
    }
    return out;
  }

  /// The model that a client means: one on offer under that very name, else what the alias says.
  String meant(String asked, Fleet fleet) {
    if (aliases.isEmpty() || fleet.forModel(asked) != null) {
      return asked;
    }
    return aliases.getOrDefault(asked, asked);
  }

  /// What is said to a request for a model that nobody offers.
  ApiError unknown(String model, RoutingTable table) {
    List<String> offered = table.fleet().models();
    String shown =
        model.length() > LONGEST_SHOWN ? model.substring(0, LONGEST_SHOWN) + "..." : model;
    String said =
        "No healthy services available for model '"
            + shown
            + "'"
            + Words.hint(shown, offered)
            + "; models on offer: "
            + (offered.isEmpty() ? "none" : String.join(", ", offered));
    if (table.unread() > 0) {
      return ApiError.unavailable(
          "no_healthy_instance",
          said + "; those of " + table.unread() + " instances are not known yet");
    }
    return offered.isEmpty()
        ? ApiError.unavailable("no_healthy_instance", said)
        : ApiError.unknownModel(unknownStatus, said);
  }
}
