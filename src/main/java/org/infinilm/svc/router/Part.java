package org.infinilm.svc.router;

import java.util.Locale;
import org.infinilm.svc.fleet.Hash;
import org.jspecify.annotations.Nullable;

/// What part of the requests one belongs to: those like it of its model (prompts are all alike,
/// whatever their route; what is no prompt is like the others of its route), and those of its
/// session. An instance may fail one part, or be busy with it, and answer the others.
///
/// @param model null when the request named none
/// @param key hash of its session's key; 0 for none
/// @param route [Route#OTHER] for all but POST
/// @param path its place among the route's paths: an instance may have one of them
record Part(@Nullable String model, long key, Route route, int path) {
  /// Of a request that is like any other.
  static final Part ANY = new Part(null, 0);

  /// Of a prompt.
  Part(@Nullable String model, long key) {
    this(model, key, Route.CHAT);
  }

  /// By the route's usual path.
  Part(@Nullable String model, long key, Route route) {
    this(model, key, route, 0);
  }

  private long ofModel() {
    return model == null ? 0 : Hash.of(model);
  }

  /// The requests like it, as a number; 0 for prompts without a model.
  long alike() {
    return route.onePrompt() ? ofModel() : ofRoute();
  }

  private long ofRoute() {
    return Hash.mix(ofModel() ^ Hash.of(route.name()));
  }

  /// That an instance has its path for its model, as a number; other than [#alike], since who fails
  /// these requests has their path.
  long ofHaving() {
    return Hash.mix(ofRoute() + path + 1);
  }

  /// The path that an instance may lack.
  String at() {
    return route.paths().isEmpty() ? route.name() : route.paths().get(path);
  }

  /// Whether an instance that serves so many models has others that are not like it.
  boolean isOneOf(int models) {
    return !route.onePrompt() || (model != null && models > 1);
  }

  /// The requests of its session for its model, as a number; 0 when it has no key.
  long ofKey() {
    return key == 0 ? 0 : Hash.mix(key ^ ofModel());
  }

  /// The requests like it, in words.
  String words() {
    String of = "model " + model;
    return route.onePrompt() ? of : route.name().toLowerCase(Locale.ROOT) + " of " + of;
  }
}
