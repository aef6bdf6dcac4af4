package org.infinilm.svc.router;

import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Insight;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How good forecasts are, what a learned policy knows, and whether keys stay where they were.
/// Recorded on the learner's thread.
final class LearnedMetrics {
  private static final double[] SECONDS = {
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
  };
  private static final double[] RATIOS = {0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1.1, 1.25, 1.5, 2, 4, 10};
  private static final int MOST_KEYS = 65_536;
  private static final long WARN_AGAIN_NANOS = 60_000_000_000L;
  private static final Logger LOG = LoggerFactory.getLogger(LearnedMetrics.class);

  private final Supplier<RoutingTable> table;
  private final Counter regret;
  private final Histogram errors;
  private final Histogram ratios;
  private final Counter keyed;
  private final Counter cuts;
  private final Ticker ticker;
  private volatile LongSupplier lost = () -> 0;
  private @Nullable Long warnedNanos;

  /// Key to the name of the instance that answered it last.
  private final Map<Long, String> homes =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, String> e) {
          return size() > MOST_KEYS;
        }
      };

  LearnedMetrics(Metrics metrics, Policy policy, Supplier<RoutingTable> table, Ticker ticker) {
    this.table = table;
    this.ticker = ticker;
    cuts =
        metrics.counter(
            "infini_router_cut_answers_total",
            "Answers that ended for their length with their first token, though more was asked for, among those that are learned from.");
    keyed =
        metrics.counter(
            "infini_router_keyed_requests_total",
            "Answered requests with a key, by whether its last request was answered there too: hit, spill (the other one is still there), repin (it is not), new.",
            "result");
    regret =
        metrics.counter(
            "infini_router_regret_seconds_total",
            "Times to first tokens beyond what the best of the compared instances was foretold to need.");
    errors =
        metrics.histogram(
            "infini_router_predicted_ttft_error_seconds",
            "Distance between foretold and observed times to the first token, since sending.",
            SECONDS);
    ratios =
        metrics.histogram(
            "infini_router_ttft_over_predicted",
            "Observed over foretold times to the first token, since sending.",
            RATIOS);
    metrics.counter(
        "infini_router_learned_writes_lost_total",
        "Lines of the decision log, and states of what was learned, that were not written: files took too long, or could not be written.",
        c -> c.call((double) lost.getAsLong()));
    register(metrics, policy, ticker);
  }

  private static void register(Metrics metrics, Policy policy, Ticker ticker) {
    metrics.gauge(
        "infini_router_effective_threshold",
        "Largest size, in the unit of the size metric, that is better off on paged instances; absent while it is not known.",
        c -> {
          for (Insight i : policy.insights(ticker.nanos())) {
            Long size = i.threshold();
            if (size != null) {
              c.call((double) size, i.model());
            }
          }
        },
        "model");
    metrics.gauge(
        "infini_router_decides",
        "1 for who decides for a model: cold (the fixed rule, too little is known), learned, fallback (the fixed rule, it would have lost less), shadow (the fixed rule, the rest is recorded).",
        c -> {
          for (Insight i : policy.insights(ticker.nanos())) {
            for (Forecast.Mode m : Forecast.Mode.values()) {
              c.call(i.mode() == m ? 1 : 0, i.model(), LearnedView.word(m));
            }
          }
        },
        "model",
        "mode");
    metrics.counter(
        "infini_router_fallbacks_total",
        "How often the fixed rule took over because it would have lost less.",
        c ->
            policy.insights(ticker.nanos()).forEach(i -> c.call((double) i.fallbacks(), i.model())),
        "model");
  }

  /// Counts what was not written because files took too long.
  void losing(LongSupplier lost) {
    this.lost = lost;
  }

  /// A request has got an answer.
  void settled(Facts f) {
    Ask ask = f.ask();
    if (ask == null || !f.complete()) {
      return;
    }
    if (f.cutAtOnce()) {
      cuts.inc();
      warn(f.instance(), ask);
    }
    if (ask.affinity() != 0) {
      keyed.labelValues(where(ask.affinity(), f.instance())).inc();
    }
    Forecast forecast = f.forecast();
    if (!forecast.isNone() && f.sseEvents() > 0 && f.firstByteNanos() != 0) {
      double observed = (double) (f.firstByteNanos() - f.dispatchNanos());
      errors.observe(Math.abs(observed - forecast.firstNanos()) / 1e9);
      ratios.observe(observed / Math.max(1, forecast.firstNanos()));
      double least = Double.POSITIVE_INFINITY;
      for (Forecast.Part p : forecast.parts()) {
        least = Math.min(least, p.firstNanos());
      }
      if (observed > least) {
        regret.inc((observed - least) / 1e9);
      }
    }
  }

  private void warn(Instance i, Ask ask) {
    long now = ticker.nanos();
    Long before = warnedNanos;
    if (before == null || now - before > WARN_AGAIN_NANOS) {
      warnedNanos = now;
      LOG.warn(
          "instance {} cut an answer off at its first token, of a prompt of some {} tokens; a learned policy sends none as long there for a while",
          i.name(),
          ask.promptTokens());
    }
  }

  private String where(long key, Instance now) {
    String before = homes.put(key, now.name());
    if (before == null) {
      return "new";
    }
    return before.equals(now.name())
        ? "hit"
        : table.get().fleet().instances().stream()
                .anyMatch(i -> i.name().equals(before) && i.state() == Instance.State.ROUTABLE)
            ? "spill"
            : "repin";
  }
}
