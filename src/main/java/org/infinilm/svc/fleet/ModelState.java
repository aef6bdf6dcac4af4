package org.infinilm.svc.fleet;

/// Whether an instance has a model that it lists in memory; in the order in which requests for the
/// model prefer them.
public enum ModelState {
  LOADED,
  /// On its way: whoever asks for it waits for the rest of that.
  LOADING,
  /// Would be loaded for the first request.
  UNLOADED,
  /// Its last load failed.
  FAILED
}
