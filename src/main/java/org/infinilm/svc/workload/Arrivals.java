package org.infinilm.svc.workload;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// When the requests of a workload are sent. Pure.
///
/// @param rate requests a second; infinite for no plan
/// @param burstiness shape of the gamma distributed gaps
/// @param replaySpeed recorded seconds a second
/// @param rampUp how long the load grows; requests that are due meanwhile are in no figure
public record Arrivals(
    ArrivalPlan.Kind kind,
    double rate,
    double burstiness,
    double replaySpeed,
    long seed,
    Duration rampUp) {

  /// @param concurrency most requests at a time; 0 for no bound
  public static Arrivals of(Config c, int concurrency) throws ConfigException {
    double rate = c.find(WorkloadKeys.REQUEST_RATE).orElse(Double.POSITIVE_INFINITY);
    ArrivalPlan.Kind kind = kind(c, rate, concurrency);
    return new Arrivals(
        kind,
        rate,
        c.get(WorkloadKeys.BURSTINESS),
        c.get(WorkloadKeys.REPLAY_SPEED),
        c.get(WorkloadKeys.SEED),
        rampUp(c, rate, kind));
  }

  /// The same without a load that grows.
  public Arrivals atFullLoad() {
    return new Arrivals(kind, rate, burstiness, replaySpeed, seed, Duration.ZERO);
  }

  /// `poisson`, `gamma`, `constant`, `replay`, `all-at-once` or `closed`.
  public String label() {
    return switch (kind) {
      case POISSON ->
          Double.isInfinite(rate) ? "all-at-once" : burstiness == 1 ? "poisson" : "gamma";
      case CONSTANT, REPLAY, CLOSED -> kind.name().toLowerCase(Locale.ROOT);
    };
  }

  /// Send times of the items that wait for no answer; null for a closed loop.
  public long @Nullable [] plan(List<LoadItem> items) throws ConfigException {
    List<LoadItem> starts = starts(items);
    int n = starts.size();
    if (kind == ArrivalPlan.Kind.REPLAY) {
      double[] at = new double[n];
      for (int k = 0; k < n; k++) {
        at[k] = starts.get(k).timestampSeconds();
        if (Double.isNaN(at[k])) {
          throw new ConfigException(
              "--arrival: replay, but request "
                  + (k + 1)
                  + " of the data set has no timestamp (expected: a number in every line)");
        }
      }
      return ArrivalPlan.replay(at, replaySpeed);
    }
    double perSecond = rate * n / items.size();
    if (kind == ArrivalPlan.Kind.CLOSED) {
      return null;
    }
    long[] at =
        kind == ArrivalPlan.Kind.CONSTANT
            ? ArrivalPlan.constant(n, perSecond)
            : Double.isInfinite(perSecond)
                ? ArrivalPlan.atOnce(n)
                : ArrivalPlan.gamma(n, perSecond, burstiness, seed);
    return ArrivalPlan.rampedUp(at, rampUp.toNanos());
  }

  private static List<LoadItem> starts(List<LoadItem> items) {
    List<LoadItem> out = new ArrayList<>();
    Set<Integer> begun = new HashSet<>();
    for (LoadItem i : items) {
      if (i.conversation() < 0 || begun.add(i.conversation())) {
        out.add(i);
      }
    }
    return out;
  }

  /// A load that grows needs a bound to grow to.
  private static Duration rampUp(Config c, double rate, ArrivalPlan.Kind arrival)
      throws ConfigException {
    Duration d = c.get(WorkloadKeys.RAMP_UP);
    boolean atOnce = Double.isInfinite(rate) && arrival == ArrivalPlan.Kind.POISSON;
    if (d.isPositive() && (atOnce || arrival == ArrivalPlan.Kind.REPLAY)) {
      throw new ConfigException(
          "--ramp-up: "
              + d.toNanos() / 1e9
              + (atOnce
                  ? " (expected: a --request-rate or --max-concurrency to grow to)"
                  : " (expected: none with --arrival replay, which keeps recorded times)"));
    }
    return d;
  }

  private static ArrivalPlan.Kind kind(Config c, double rate, int concurrency)
      throws ConfigException {
    String word = c.find(WorkloadKeys.ARRIVAL).orElse("");
    boolean unlimited = Double.isInfinite(rate);
    ArrivalPlan.Kind kind =
        !word.isEmpty()
            ? ArrivalPlan.Kind.valueOf(word.toUpperCase(Locale.ROOT))
            : unlimited && concurrency > 0 ? ArrivalPlan.Kind.CLOSED : ArrivalPlan.Kind.POISSON;
    if (kind == ArrivalPlan.Kind.CLOSED) {
      if (concurrency == 0) {
        throw new ConfigException(
            "--arrival: closed without --max-concurrency (expected: how many requests at a time)");
      }
      if (!unlimited) {
        throw new ConfigException(
            "--arrival: closed with --request-rate "
                + rate
                + " (expected: no rate; a closed loop sends when an answer has come)");
      }
    }
    if (kind == ArrivalPlan.Kind.CONSTANT && unlimited) {
      throw new ConfigException("--arrival: constant (expected: a --request-rate with it)");
    }
    return kind;
  }
}
