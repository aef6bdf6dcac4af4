package org.infinilm.svc.policy;

import java.util.List;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// What a policy decided.
public sealed interface Choice {
  /// Send it to `instance`, found in `pool`.
  record Send(Instance instance, Pool pool, Reason why) implements Choice {}

  /// Hold it until one of `accepted`, instances of `pool`, is free.
  record Wait(Pool pool, Reason why, List<Instance> accepted) implements Choice {}

  /// Nobody can take it: it needs at least `leastTokens`, the largest instance holds
  /// `capacityTokens`.
  record Refuse(long leastTokens, long capacityTokens) implements Choice {}
}
