package org.infinilm.svc.babysitter;

import io.prometheus.metrics.core.metrics.Counter;
import java.util.Locale;
import java.util.function.Supplier;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Verdict;
import org.infinilm.svc.telemetry.Metrics;

/// What the babysitter counts. Thread-safe.
final class Instruments {
  private final Metrics metrics;
  private final Counter restarts;
  private final Counter wakes;
  private final Counter rests;
  private final Counter probes;
  private final Counter calls;

  Instruments(Metrics metrics, Supplier<State> state) {
    this.metrics = metrics;
    this.restarts =
        metrics.counter("infini_babysitter_restarts_total", "Starts after the first one.");
    this.wakes =
        metrics.counter(
            "infini_babysitter_wakes_total", "Starts of a server on demand for a request.");
    this.rests =
        metrics.counter(
            "infini_babysitter_rests_total",
            "Pauses of a server on demand after starts in a row that failed.");
    this.probes =
        metrics.counter(
            "infini_babysitter_probes_total",
            "Health probes of the server by result: ok, refuses, foreign, silent, unasked.",
            "result");
    this.calls =
        metrics.counter(
            "infini_babysitter_registry_calls_total",
            "Calls to the registry by entry and outcome.",
            "entry",
            "outcome");
    metrics.gauge(
        "infini_babysitter_phase",
        "1 for the phase that the server is in, 0 for the others.",
        callback -> {
          for (Phase p : Phase.values()) {
            callback.call(state.get().phase() == p ? 1 : 0, p.word());
          }
        },
        "phase");
  }

  Metrics metrics() {
    return metrics;
  }

  void restart() {
    restarts.inc();
  }

  void wake() {
    wakes.inc();
  }

  void rest() {
    rests.inc();
  }

  void probe(Verdict v) {
    probes.labelValues(v.name().toLowerCase(Locale.ROOT)).inc();
  }

  void registryCall(String entry, String outcome) {
    calls.labelValues(entry, outcome).inc();
  }
}
