package org.infinilm.svc.policy;

import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;

/// One routing idea. Called from several event loops at once: its own state is thread-safe, and it
/// never blocks, logs or reads a clock.
public interface Policy {
  /// The word that selects it.
  String name();

  /// Chooses among `candidates`, which are never empty.
  Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random);

  /// What became of a request it placed; on the learner's thread.
  default void settled(Facts facts) {}
}
