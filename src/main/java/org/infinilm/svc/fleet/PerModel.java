package org.infinilm.svc.fleet;

import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What is kept for each model that is asked for. Names come and go, so it is bounded: of those
/// that have not been asked for while `most` others were, nothing is kept. Thread-safe.
public final class PerModel<T> {
  /// Both maps are seen together: who saw a young one of before would take from that itself.
  private record Generations<T>(
      ConcurrentHashMap<String, T> young, ConcurrentHashMap<String, T> old) {}

  private final int most;
  private final Supplier<T> none;
  private volatile Generations<T> both =
      new Generations<>(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());

  /// @param most at most twice as many are kept
  /// @param none what a model begins with
  public PerModel(int most, Supplier<T> none) {
    this.most = most;
    this.none = none;
  }

  public T of(String model) {
    T t = both.young().get(model);
    return t == null ? askedAgain(model) : t;
  }

  private T askedAgain(String model) {
    Generations<T> g = both.young().size() >= most ? aged() : both;
    return g.young()
        .computeIfAbsent(
            model,
            m -> {
              @Nullable T before = g.old().remove(m);
              return before == null ? none.get() : before;
            });
  }

  private synchronized Generations<T> aged() {
    Generations<T> g = both;
    if (g.young().size() >= most) {
      g = new Generations<>(new ConcurrentHashMap<>(), g.young());
      both = g;
    }
    return g;
  }

  /// How many are kept.
  public int size() {
    Generations<T> g = both;
    return g.young().size() + g.old().size();
  }
}
