package org.infinilm.svc.registry;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The registry's table at one version.
///
/// @param version to hand back with the next watch; empty when the registry has no `/watch` route
/// @param services every entry, sorted by name
/// @param deleted names unregistered by DELETE in the last 10 minutes and not registered again
/// @param trouble why this may be old; null where it is not
public record Watch(
    String version, List<Service> services, List<String> deleted, @Nullable String trouble) {
  public Watch {
    services = List.copyOf(services);
    deleted = List.copyOf(deleted);
  }

  Watch(String version, List<Service> services, List<String> deleted) {
    this(version, services, deleted, null);
  }
}
