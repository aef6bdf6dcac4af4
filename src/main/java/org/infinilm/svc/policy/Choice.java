package org.infinilm.svc.policy;

import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// What a policy decided.
public sealed interface Choice {
  /// Send it to `instance`, found in `pool`.
  record Send(Instance instance, Pool pool, Reason why) implements Choice {}

  /// Hold it until an instance of `pool` is free.
  record Wait(Pool pool, Reason why) implements Choice {}

  /// Nobody can take it: it needs at least `leastTokens`, the largest instance holds
  /// `capacityTokens`.
  record Refuse(long leastTokens, long capacityTokens) implements Choice {}
}
