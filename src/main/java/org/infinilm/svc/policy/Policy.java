package org.infinilm.svc.policy;

import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;

/// One routing idea. Called from several event loops at once: its own state is thread-safe, and it
/// never blocks, logs or reads a clock.
public interface Policy {
  /// The word that selects it.
  String name();

  /// Chooses among `candidates`, which are never empty.
  Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random);

  /// Whether it wants the lengths in [Ask], [Load#flights] and the `usage` of every answer.
  default boolean learns() {
    return false;
  }

  /// What comes of a request that has waited for an instance and gets it now.
  ///
  /// @param model as [Candidates#model] has it
  default Forecast foretell(Ask ask, String model, Instance to, Load load) {
    return Forecast.NONE;
  }

  /// What became of a request it placed; on the learner's thread. One that does not learn is told
  /// of some requests at most.
  default void settled(Facts facts) {}

  /// What it has learned, for humans.
  default List<Insight> insights(long nowNanos) {
    return List.of();
  }

  /// What it has learned, for a file: objects, arrays of numbers, numbers; on the learner's thread.
  default Map<String, Object> remembered(long nowNanos) {
    return Map.of();
  }

  /// Takes over what a file says, before it is asked for anything.
  ///
  /// @throws IllegalArgumentException when it is nothing that [#remembered] gave; nothing is taken
  ///   over then
  default void recall(Map<String, Object> from, long nowNanos) {}

  /// Takes over what all other routers that are known have told of what they learned, beside its
  /// own: what is not among it any more counts no more. What is no use is left out. On the
  /// learner's thread.
  default void told(List<Told> others, long nowNanos) {}
}
