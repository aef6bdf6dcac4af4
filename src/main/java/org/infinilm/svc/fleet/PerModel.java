package org.infinilm.svc.fleet;

import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What is kept for each model that is asked for. Names come and go, so it is bounded: of those
/// that have not been asked for while `most` others were, nothing is kept. Thread-safe.
public final class PerModel<T> {
  private final int most;
  private final Supplier<T> none;
  private volatile ConcurrentHashMap<String, T> young = new ConcurrentHashMap<>();
  private volatile ConcurrentHashMap<String, T> old = new ConcurrentHashMap<>();

  /// @param most at most twice as many are kept
  /// @param none what a model begins with
  public PerModel(int most, Supplier<T> none) {
    this.most = most;
    this.none = none;
  }

  public T of(String model) {
    T t = young.get(model);
    return t == null ? askedAgain(model) : t;
  }

  private T askedAgain(String model) {
    if (young.size() >= most) {
      age();
    }
    return young.computeIfAbsent(
        model,
        m -> {
          @Nullable T before = old.remove(m);
          return before == null ? none.get() : before;
        });
  }

  private synchronized void age() {
    if (young.size() >= most) {
      old = young;
      young = new ConcurrentHashMap<>();
    }
  }

  /// How many are kept.
  public int size() {
    return young.size() + old.size();
  }
}
