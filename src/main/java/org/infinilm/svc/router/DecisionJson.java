package org.infinilm.svc.router;

import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.router.Decisions.Decision;

/// A decision in JSON: one row of the page's list, or whole, as `/decisions` tells it.
final class DecisionJson {
  private DecisionJson() {}

  /// With its candidates.
  static Map<String, Object> whole(Decision d, SizeMetric metric) {
    Map<String, Object> m = row(d);
    m.put("candidates", candidates(d));
    m.put("candidates_total", d.roll().total());
    m.put("failed_instances", d.failed());
    m.put("method", d.method());
    m.put("metric", metric.label());
    m.put("needed_tokens", d.needTokens() == 0 ? null : d.needTokens());
    if (!d.forecast().isNone() || !d.forecast().parts().isEmpty()) {
      m.put("learned", LearnedView.of(d));
    }
    return m;
  }

  /// What is not known is null.
  static Map<String, Object> row(Decision d) {
    Map<String, Object> m = new HashMap<>();
    Usage u = d.usage();
    m.put("attempts", d.attempts());
    m.put("cached_tokens", u == null ? null : u.cachedTokens());
    Decisions.Said said = d.said();
    m.put("error", said == null ? null : Map.of("code", said.code(), "message", said.message()));
    m.put("completion_tokens", u == null ? null : u.completionTokens());
    m.put("instance", d.instance());
    if (d.key() != null) {
      m.put("key", d.key());
    }
    m.put("model", d.modelAsked());
    m.put("outcome", d.outcome().label());
    m.put("path", d.path());
    m.put("pool", d.pool() == null ? null : d.pool().label());
    m.put("prompt_tokens", u == null || u.promptTokens() == 0 ? null : u.promptTokens());
    m.put("queue_seconds", d.queueNanos() / 1e9);
    m.put("reason", d.reason() == null ? null : d.reason().label());
    m.put("request_bytes", d.requestBytes());
    m.put("request_id", d.requestId());
    m.put("response_bytes", d.responseBytes());
    m.put("sequence", d.sequence());
    m.put("size", d.size());
    m.put("status", d.status());
    m.put("threshold", d.threshold());
    m.put("time", Instant.ofEpochMilli(d.epochMillis()).toString());
    m.put("total_seconds", d.totalNanos() / 1e9);
    if (d.traceId() != null) {
      m.put("trace_id", d.traceId());
    }
    m.put("tpot_seconds", d.tpotNanos() == 0 ? null : d.tpotNanos() / 1e9);
    m.put("ttft_seconds", d.ttftNanos() == 0 ? null : d.ttftNanos() / 1e9);
    return m;
  }

  /// Each candidate with why it was passed over, worked out again from the facts of the decision.
  private static List<Object> candidates(Decision d) {
    List<Object> out = new ArrayList<>();
    Roll roll = d.roll();
    for (int k = 0; k < roll.size(); k++) {
      long holds = roll.capacityTokens(k);
      Map<String, Object> m = new HashMap<>();
      m.put("capacity_tokens", holds == Instance.UNKNOWN ? null : holds);
      m.put("instance", roll.name(k));
      m.put("pool", roll.pool(k).label());
      m.put("why", why(d, roll, k));
      out.add(m);
    }
    return out;
  }

  private static String why(Decision d, Roll roll, int k) {
    String name = roll.name(k);
    if (name.equals(d.instance())) {
      return "chosen";
    }
    if (d.failed().contains(name)) {
      return "an attempt on it failed";
    }
    if (d.avoided().contains(name)) {
      return "passed over for this model or session: it fails it, or asked for a pause";
    }
    long holds = roll.capacityTokens(k);
    if (holds != Instance.UNKNOWN && d.needTokens() > holds) {
      return "needs " + d.needTokens() + " tokens, holds " + holds;
    }
    if (d.pool() != null && d.pool() != Pool.ANY && roll.pool(k) != d.pool()) {
      return "other pool";
    }
    String lost = LearnedView.lost(d, name);
    return lost == null ? "not its turn, full or more in flight" : lost;
  }
}
