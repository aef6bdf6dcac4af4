package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// What a policy decided.
public sealed interface Choice {
  /// Send it to `instance`, found in `pool`; the policy may foretell what comes of it.
  record Send(Instance instance, Pool pool, Reason why, Forecast forecast) implements Choice {
    public Send(Instance instance, Pool pool, Reason why) {
      this(instance, pool, why, Forecast.NONE);
    }
  }

  /// Hold it until the instance of one of `ways` is free, and go that way then.
  record Wait(List<Send> ways) implements Choice {
    public Wait {
      ways = List.copyOf(ways);
    }

    /// For one of `accepted`, instances of `pool`.
    public Wait(Pool pool, Reason why, List<Instance> accepted) {
      this(accepted.stream().map(i -> new Send(i, pool, why)).toList());
    }

    /// The instances that it waits for, in the order of the ways.
    public List<Instance> accepted() {
      List<Instance> out = new ArrayList<>(ways.size());
      for (Send s : ways) {
        out.add(s.instance());
      }
      return out;
    }
  }

  /// Nobody can take it: it needs at least `leastTokens`, the largest instance holds
  /// `capacityTokens`.
  record Refuse(long leastTokens, long capacityTokens) implements Choice {}
}
