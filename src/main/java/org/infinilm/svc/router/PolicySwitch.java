package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Insight;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Told;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The policy in force, which may become another. One that comes back knows what it had learned.
final class PolicySwitch implements Policy {
  private static final Logger LOG = LoggerFactory.getLogger(PolicySwitch.class);

  private final Policies.Options options;
  private final Map<String, Policy> made = new HashMap<>();
  private volatile Policy now;

  /// The last one that learns, whose knowledge is kept; the one in force where none does.
  private volatile Policy learned;

  /// What a file kept, for those that come later.
  private volatile Map<String, Object> recalled = Map.of();

  PolicySwitch(String name, Policies.Options options) {
    this.options = options;
    this.now = Policies.create(name, options);
    this.learned = now;
    made.put(name, now);
  }

  /// Puts a policy into force.
  synchronized void become(String name, long nowNanos) {
    Policy next = made.get(name);
    if (next == null) {
      next = Policies.create(name, options);
      made.put(name, next);
      if (next.learns() && !recalled.isEmpty()) {
        try {
          next.recall(recalled, nowNanos);
        } catch (IllegalArgumentException e) {
          LOG.warn("what was learned is not taken over: {}", e.getMessage());
        }
      }
    }
    if (next.learns()) {
      learned = next;
    }
    now = next;
  }

  @Override
  public String name() {
    return now.name();
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    return now.choose(ask, candidates, load, random);
  }

  @Override
  public boolean learns() {
    return now.learns();
  }

  @Override
  public Forecast foretell(Ask ask, String model, Instance to, Load load) {
    return now.foretell(ask, model, to, load);
  }

  @Override
  public void settled(Facts facts) {
    now.settled(facts);
  }

  @Override
  public List<Insight> insights(long nowNanos) {
    return now.insights(nowNanos);
  }

  @Override
  public Map<String, Object> remembered(long nowNanos) {
    return learned.learns() ? learned.remembered(nowNanos) : recalled;
  }

  @Override
  public synchronized void recall(Map<String, Object> from, long nowNanos) {
    now.recall(from, nowNanos);
    recalled = from;
  }

  @Override
  public void told(List<Told> others, long nowNanos) {
    now.told(others, nowNanos);
  }
}
