package org.infinilm.svc.router;

import java.util.Comparator;
import java.util.List;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.registry.Registration;
import org.jspecify.annotations.Nullable;

/// Which of those that sleep is woken. Stateless.
/*
 * One that holds the request's estimate, of the pool of the size rule, is better than one that may not; one whose last
 * start did not fail is better than one whose did; one that is being started is better than another start; then the tier; then an order by a hash of model and name
 * (rendezvous hashing), which is the same at every router: several routers wake one.
 */
final class Sleepers {
  private Sleepers() {}

  static boolean isOnDemand(Instance i) {
    return Boolean.TRUE.equals(i.metadata().get(Registration.ON_DEMAND));
  }

  /// The best first.
  static List<Instance> ordered(List<Instance> asleep, Question q) {
    if (asleep.size() < 2) {
      return asleep;
    }
    long model = Hash.of(String.valueOf(q.model()));
    return asleep.stream()
        .sorted(
            Comparator.comparing((Instance i) -> !i.fits(q.needTokens()))
                .thenComparing(i -> !isOfPool(i, q))
                .thenComparing(Sleepers::hasFailed)
                .thenComparing(i -> i.state() != State.WAKING)
                .thenComparing(i -> i.weight() == 0)
                .thenComparingInt(Instance::tier)
                .thenComparing(i -> Hash.mix(model ^ i.nameHash()), Long::compareUnsigned))
        .toList();
  }

  /// Whether its last start failed: another may do better.
  private static boolean hasFailed(Instance i) {
    return i.metadata().containsKey(Registration.START_FAILED);
  }

  private static boolean isOfPool(Instance i, Question q) {
    CacheType wanted = q.size() <= q.threshold() ? CacheType.PAGED : CacheType.STATIC;
    return i.cacheType() == null || i.cacheType() == wanted;
  }

  /// Whom a decision would rather have taken if it did not sleep: it is woken for the requests
  /// after this one. Null when nobody.
  ///
  /// @param asleep the best first
  static @Nullable Instance better(Choice c, List<Instance> asleep, Question q) {
    return switch (c) {
      case Choice.Wait w -> asleep.isEmpty() ? null : asleep.getFirst();
      case Choice.Refuse r -> null;
      case Choice.Send s -> asleep.stream().filter(i -> isBetter(i, s, q)).findFirst().orElse(null);
    };
  }

  private static boolean isBetter(Instance i, Choice.Send s, Question q) {
    return s.why() == Reason.EMPTY_POOL
        ? i.cacheType() != null && s.pool() != Pool.of(i.cacheType()) && isOfPool(i, q)
        : i.tier() < s.instance().tier();
  }

  /// Whether a choice was made for want of one that may sleep.
  static boolean mayHaveBetter(Choice c) {
    return c instanceof Choice.Wait
        || (c instanceof Choice.Send s && (s.why() == Reason.EMPTY_POOL || s.why() == Reason.TIER));
  }
}
