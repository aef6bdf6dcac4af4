package org.infinilm.svc.registry;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The registry's table at one version.
///
/// @param version to hand back with the next watch; empty when the registry has no `/watch` route
/// @param services every entry, sorted by name
/// @param deleted names unregistered by DELETE in the last 10 minutes and not registered again
/// @param trouble why this may be old, or may not outlive the registry; null where it is not so
public record Watch(
    String version, List<Service> services, List<String> deleted, @Nullable String trouble) {
  public Watch {
    services = List.copyOf(services);
    deleted = List.copyOf(deleted);
  }

  private static final int LONGEST_TROUBLE = 1000;

  /// What an answer or an event says of it.
  static @Nullable String trouble(JsonNode of) {
    JsonNode n = of.path("trouble");
    String said = n.isTextual() ? n.asText() : "";
    return said.isEmpty() ? null : said.substring(0, Math.min(said.length(), LONGEST_TROUBLE));
  }

  Watch(String version, List<Service> services, List<String> deleted) {
    this(version, services, deleted, null);
  }
}
