package org.infinilm.svc.evaluation;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.simulator.LeapCore;
import org.infinilm.svc.simulator.LeapSettings;

/// How even the load of a run is, looked at each tenth of a second after the warm-up while requests
/// come, and how often the requests of a key stay together. For one thread.
final class Spread {
  private static final double EVERY_NANOS = 1e8;
  private static final double WARM_UP = 0.2;

  /// Who came back is watched for so long.
  private static final double AFTER_NANOS = 10e9;

  private final List<Node> nodes;
  private final LeapSettings.Kind kind;
  private final double fromNanos;
  private final double toNanos;
  private double nextNanos;
  private int looks;
  private double maxOverMean;
  private double variation;
  private double mean;
  private long seated;
  private long overSeats;
  private int returned = -1;
  private double backNanos;
  private double herd;
  private final Map<Long, Integer> homes = new HashMap<>();
  private long keyed;
  private long stayed;
  private double promptTokens;
  private double cachedTokens;

  /// @param spanNanos over which requests come
  Spread(FleetPlan plan, double spanNanos) {
    this.nodes = plan.nodes();
    long statics =
        nodes.stream().filter(n -> n.engine().kind() == LeapSettings.Kind.STATIC).count();
    this.kind =
        nodes.stream()
            .map(n -> n.engine().kind())
            .filter(k -> statics == nodes.size() || k != LeapSettings.Kind.STATIC)
            .findFirst()
            .orElseThrow();
    this.fromNanos = WARM_UP * spanNanos;
    this.toNanos = spanNanos;
    this.nextNanos = fromNanos;
  }

  double nextNanos() {
    return nextNanos < toNanos ? nextNanos : Double.POSITIVE_INFINITY;
  }

  /// @param down who is out of service
  void look(LeapCore[] cores, boolean[] down, double now) {
    nextNanos = now + EVERY_NANOS;
    double sum = 0;
    double squares = 0;
    double most = 0;
    int n = 0;
    for (int k = 0; k < cores.length; k++) {
      double load = cores[k].running() + cores[k].waiting();
      int seats = nodes.get(k).seats();
      if (seats > 0) {
        seated++;
        overSeats += load > seats ? 1 : 0;
      }
      if (!down[k] && nodes.get(k).engine().kind() == kind) {
        n++;
        sum += load;
        squares += load * load;
        most = Math.max(most, load);
      }
    }
    if (n == 0 || sum == 0) {
      return;
    }
    double m = sum / n;
    looks++;
    mean += m;
    maxOverMean += most / m;
    variation += Math.sqrt(Math.max(0, squares / n - m * m)) / m;
    if (returned >= 0 && now - backNanos <= AFTER_NANOS && n > 1) {
      double load = cores[returned].running() + cores[returned].waiting();
      herd = Math.max(herd, load / Math.max(1e-9, (sum - load) / (n - 1)));
    }
  }

  void back(int slot, double now) {
    returned = slot;
    backNanos = now;
  }

  void sent(Request r, int slot, double now) {
    if (r.key() != 0) {
      Integer before = homes.put(r.key(), slot);
      if (before != null && now >= fromNanos) {
        keyed++;
        stayed += before == slot ? 1 : 0;
      }
    }
  }

  void ended(Request r, int cached, double now) {
    if (now >= fromNanos) {
      promptTokens += r.job().promptTokens();
      cachedTokens += cached;
    }
  }

  /// Requests at an instance, on average.
  double meanLoad() {
    return mean / looks;
  }

  /// Load of the busiest instance over the mean, of those that are not static.
  double maxOverMean() {
    return maxOverMean / looks;
  }

  /// Standard deviation of the load over its mean, of the same.
  double variation() {
    return variation / looks;
  }

  /// Share of looks at which an instance with seats had more requests than these.
  double overSeats() {
    return seated == 0 ? 0 : (double) overSeats / seated;
  }

  /// The most that one who came back had at once, over the mean of the others; 0 where nobody did.
  double herd() {
    return herd;
  }

  /// Share of the requests with a key that had been seen before which went where its last one did.
  double stayed() {
    return keyed == 0 ? 0 : (double) stayed / keyed;
  }

  /// Share of prompts' tokens that caches held.
  double cachedShare() {
    return promptTokens == 0 ? 0 : cachedTokens / promptTokens;
  }
}
