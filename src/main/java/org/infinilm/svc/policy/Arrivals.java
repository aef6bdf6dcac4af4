package org.infinilm.svc.policy;

import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;

/// What a choice does to those that come while it is computed: as many as come to that instance in
/// the time that it is kept from their prompts, each of usual length, wait for a part of it, or go
/// elsewhere. Rates are written by the learner's thread, read by event loops.
/*
 * Those that are in flight are counted by Estimate. A prompt of seconds among short ones meets few of them and
 * makes many late that are not there yet.
 */
final class Arrivals {
  private static final double LATELY_SECONDS = 30;

  /// Fewer that come in the meantime are no matter.
  private static final double LEAST = 0.5;

  /// Parts of the time that they may wait.
  private static final double[] WAITS = {1.0 / 6, 0.5, 5.0 / 6};

  private record Lately(double count, long atNanos) {
    double at(long nowNanos) {
      return count * Math.exp(-Math.max(0, nowNanos - atNanos) / (LATELY_SECONDS * 1e9));
    }
  }

  private final ConcurrentHashMap<String, Lately> lately = new ConcurrentHashMap<>();

  /// A request was sent there then.
  void sent(Instance to, long atNanos) {
    Costs.bound(lately, to.name());
    lately.merge(
        to.name(),
        new Lately(1, atNanos),
        (l, one) -> new Lately(l.at(atNanos) + 1, Math.max(atNanos, l.atNanos())));
  }

  private double perNano(String instance, long nowNanos) {
    Lately l = lately.get(instance);
    return l == null ? 0 : l.at(nowNanos) / (LATELY_SECONDS * 1e9);
  }

  /// Adds to each choice what it does to those that come meanwhile.
  ///
  /// @param parts what each comes to, in their order
  void add(
      Adaptive.Model m,
      Objective objective,
      List<Instance> of,
      List<Forecast.Part> parts,
      double[] losses,
      long nowNanos) {
    for (int k = 0; k < losses.length; k++) {
      double more = loss(m, objective, of, parts, k, nowNanos);
      if (more > 0) {
        losses[k] += more;
        parts.set(k, parts.get(k).withOthers(more));
      }
    }
  }

  /// What those lose that come while the `k`th choice is computed.
  ///
  /// @param parts what each of them comes to, in their order
  private double loss(
      Adaptive.Model m,
      Objective objective,
      List<Instance> of,
      List<Forecast.Part> parts,
      int k,
      long nowNanos) {
    double usual = m.usualPrompt;
    double rate = usual == 0 ? 0 : perNano(of.get(k).name(), nowNanos);
    Forecast.Part part = parts.get(k);
    if (rate == 0) {
      return 0;
    }
    double tokens = m.lengths().left((long) usual, 0, 0);
    double kept = keeps(m, of.get(k), part.prefillNanos(), tokens * part.tokenNanos());
    double come = rate * kept;
    if (come < LEAST) {
      return 0;
    }
    double prompt = usualNanos(m, of.get(k), usual, nowNanos);
    double base = objective.loss(part.waitNanos() + prompt, part.tokenNanos(), tokens);
    double elsewhere = Double.POSITIVE_INFINITY;
    for (int o = 0; o < parts.size(); o++) {
      if (o != k && parts.get(o).place() != Forecast.Place.LAST) {
        Forecast.Part other = parts.get(o);
        double takes = usualNanos(m, of.get(o), usual, nowNanos);
        double each = keeps(m, of.get(o), takes, tokens * other.tokenNanos());
        // as they come faster than they are served there, the later ones wait for the earlier
        double queue = come / 2 * Math.max(0, each - 1 / rate);
        elsewhere =
            Math.min(
                elsewhere,
                objective.loss(other.waitNanos() + queue + takes, other.tokenNanos(), tokens));
      }
    }
    double sum = 0;
    for (double w : WAITS) {
      double here = objective.loss(part.waitNanos() + w * kept + prompt, part.tokenNanos(), tokens);
      sum += Math.max(0, Math.min(here, elsewhere) - base);
    }
    return come * sum / WAITS.length;
  }

  private static double usualNanos(Adaptive.Model m, Instance i, double usual, long nowNanos) {
    Costs c = m.costs(i.cacheType());
    return c.promptNanos(usual) * c.speed(i.name(), nowNanos);
  }

  /// How long an instance is kept from the next prompt.
  private static double keeps(Adaptive.Model m, Instance i, double prompt, double answer) {
    Costs c = m.costs(i.cacheType());
    boolean serial = i.cacheType() == CacheType.STATIC || c.batch(i) == 1;
    return serial ? prompt + answer : prompt * c.serialShare(i.name());
  }
}
