package org.infinilm.svc.discovery;

import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// One instance as a source lists it, in the words of `[[instance]]`. Immutable.
///
/// @param url `http://host:port` or `https://host:port`
/// @param options further keys of `[[instance]]`, `name`, `cache_type`, `weight`, ..., as texts
/// @param address the one address of the URL's host at which it is, a literal; null for all that
///   the host has
/// @param ready whether it may get requests; one that may not ends those that it has
/// @param models what it serves; null when it has to be asked
/// @param metadata what else is known of it, plain JSON values
/// @param place where an option was given, for errors
public record Found(
    String url,
    Map<String, String> options,
    @Nullable String address,
    boolean ready,
    @Nullable List<String> models,
    Map<String, Object> metadata,
    UnaryOperator<String> place) {
  public Found {
    options = Map.copyOf(options);
    models = models == null ? null : List.copyOf(models);
    metadata = Map.copyOf(metadata);
  }

  /// One that is whole in what somebody wrote.
  public Found(String url, Map<String, String> options, UnaryOperator<String> place) {
    this(url, options, null, true, null, Map.of(), place);
  }
}
