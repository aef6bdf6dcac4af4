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

  /// Hold it until the instance of one of `ways` is free, and go that way then; or until it may do
  /// better elsewhere.
  ///
  /// @param lookNanos after which the policy wants to be asked again, while it waits; 0 for never
  record Wait(List<Send> ways, long lookNanos) implements Choice {
    public Wait {
      ways = List.copyOf(ways);
    }

    public Wait(List<Send> ways) {
      this(ways, 0);
    }

    /// The same, to be asked again after so long.
    Wait looking(long nanos) {
      return new Wait(ways, nanos);
    }

    /// The same by other ways.
    Wait by(List<Send> others) {
      return new Wait(others, lookNanos);
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
