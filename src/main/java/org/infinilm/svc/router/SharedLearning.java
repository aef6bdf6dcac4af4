package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Told;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What routers beside each other teach one another: each says what it has learned by itself, so
/// that nothing comes back to it as another's. On the siblings' thread; what others say is taken
/// over on the learner's, since what is learned is written by that one alone.
final class SharedLearning implements Siblings.Known {
  private static final Logger LOG = LoggerFactory.getLogger(SharedLearning.class);

  /// After so long what a router said counts for about a third.
  private static final double MEMORY_NANOS = 300e9;

  private final Policy policy;
  private final Learner learner;
  private final Ticker ticker;

  /// Whether it was said that another speaks in another version; for the learner's thread.
  private boolean versionTold;

  SharedLearning(Policy policy, Learner learner, Ticker ticker) {
    this.policy = policy;
    this.learner = learner;
    this.ticker = ticker;
  }

  @Override
  public @Nullable Map<String, Object> learned() {
    if (!policy.learns()) {
      return null;
    }
    return Map.of(
        "version",
        LearnedState.VERSION,
        "policy",
        rounded(policy.remembered(ticker.nanos())),
        "rates",
        rounded(learner.remembered()));
  }

  /// Seven digits are enough for others.
  private static Map<String, Object> rounded(Map<String, Object> from) {
    Map<String, Object> out = new HashMap<>();
    from.forEach((k, v) -> out.put(k, rounded(v)));
    return out;
  }

  private static Object rounded(Object v) {
    return switch (v) {
      case Map<?, ?> m -> {
        Map<String, Object> out = new HashMap<>();
        m.forEach((k, each) -> out.put(String.valueOf(k), rounded(each)));
        yield out;
      }
      case double[] numbers -> {
        float[] out = new float[numbers.length];
        for (int k = 0; k < out.length; k++) {
          out[k] = (float) numbers[k];
        }
        yield out;
      }
      case Double d -> d.floatValue();
      default -> v;
    };
  }

  @Override
  public void told(Map<String, Siblings.Lesson> lessons) {
    learner.hand(() -> take(lessons));
  }

  private void take(Map<String, Siblings.Lesson> lessons) {
    long now = ticker.nanos();
    List<Told> all = new ArrayList<>();
    lessons.forEach((run, l) -> {
      Map<String, Object> learned = l.learned();
      if (learned.get("version") instanceof Number n && n.intValue() == LearnedState.VERSION) {
        double weight = Math.exp(-Math.max(0, now - l.heardNanos()) / MEMORY_NANOS);
        all.add(new Told(run, object(learned.get("policy")), weight, l.heardNanos()));
        learner.told(object(learned.get("rates")));
      } else if (!versionTold) {
        versionTold = true;
        LOG.warn(
            "router {} tells what it learned in version {} (expected: {}); of such routers nothing is learned",
            run,
            learned.get("version") instanceof Number n ? n : "none",
            LearnedState.VERSION);
      }
    });
    policy.told(all, now);
  }

  private static Map<String, Object> object(@Nullable Object v) {
    Map<String, Object> out = new HashMap<>();
    if (v instanceof Map<?, ?> m) {
      m.forEach((k, each) -> {
        if (each != null) {
          out.put(String.valueOf(k), each);
        }
      });
    }
    return out;
  }
}
