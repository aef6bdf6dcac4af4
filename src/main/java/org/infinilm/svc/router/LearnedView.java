package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Forecast.Place;
import org.infinilm.svc.policy.Insight;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// What a learned policy knows and foretold, in the words of `/decisions`.
final class LearnedView {
  private LearnedView() {}

  static String word(Forecast.Mode mode) {
    return mode.name().toLowerCase(Locale.ROOT);
  }

  static List<Object> of(List<Insight> insights) {
    List<Object> out = new ArrayList<>();
    for (Insight i : insights) {
      Map<String, Object> m = new HashMap<>();
      m.put("model", i.model().isEmpty() ? null : i.model());
      m.put("decides", word(i.mode()));
      m.put("prompts", i.prompts());
      m.put("answers", i.answers());
      m.put("effective_threshold", i.threshold());
      m.put("fallbacks", i.fallbacks());
      m.put("cut_from_tokens", i.cutFrom());
      out.add(m);
    }
    return out;
  }

  /// Foretold beside observed, and what each candidate would have come to; of one that was refused
  /// nothing was foretold but that.
  static Map<String, Object> of(Decision d) {
    Forecast f = d.forecast();
    Map<String, Object> m = new HashMap<>();
    m.put("decides", word(f.mode()));
    m.put("best", f.best());
    boolean none = f.isNone();
    m.put("new_tokens", none ? null : Math.round(f.newTokens()));
    m.put("predicted_first_token_seconds", none ? null : seconds(f.firstNanos()));
    m.put(
        "first_token_seconds",
        d.sentToFirstNanos() == 0 ? null : seconds((double) d.sentToFirstNanos()));
    m.put("predicted_token_seconds", none ? null : seconds(f.tokenNanos()));
    m.put("loss", none ? null : rounded(f.loss()));
    m.put("rule_loss", rounded(f.ruleLoss()));
    List<Object> parts = new ArrayList<>();
    for (Forecast.Part p : f.parts()) {
      Map<String, Object> part = new HashMap<>();
      part.put("instance", p.instance());
      part.put("place", p.place().name().toLowerCase(Locale.ROOT));
      part.put("new_tokens", Math.round(p.newTokens()));
      part.put("wait_seconds", seconds(p.waitNanos()));
      part.put("prefill_seconds", seconds(p.prefillNanos()));
      part.put("first_token_seconds", seconds(p.firstNanos()));
      part.put("token_seconds", seconds(p.tokenNanos()));
      part.put("own_loss", rounded(p.ownLoss()));
      part.put("others_loss", rounded(p.othersLoss()));
      parts.add(part);
    }
    m.put("costs", parts);
    return m;
  }

  /// Why a candidate was not chosen by what it was expected to cost; null where that decided
  /// nothing.
  static @Nullable String lost(Decision d, String name) {
    boolean refused = d.instance() == null;
    if ((d.reason() != Reason.LEARNED && !refused) || d.forecast().parts().isEmpty()) {
      return null;
    }
    Forecast.Part chosen = part(d, d.instance());
    Forecast.Part it = part(d, name);
    if (it == null) {
      return "full, cuts prompts as long, or has more to do for its speed than those compared";
    }
    String lost =
        (it.place() == Place.FULL
                ? "full; a wait for it was expected to lose "
                : "expected to lose ")
            + rounded(it.loss())
            + " (first token after "
            + seconds(it.firstNanos())
            + " s)";
    if (refused) {
      return lost + ", and not free in time";
    }
    return chosen == null
        ? null
        : lost
            + ", the chosen one "
            + rounded(chosen.loss())
            + " ("
            + seconds(chosen.firstNanos())
            + (chosen.place() == Place.FULL ? " s, the wait for it included)" : " s)")
            + nevertheless(d.forecast(), it, chosen);
  }

  /// Why one that was expected to lose less was not chosen.
  private static String nevertheless(Forecast f, Forecast.Part it, Forecast.Part chosen) {
    double less = chosen.loss() - it.loss();
    if (less <= 0) {
      return "";
    }
    boolean waited = f.waitedNanos() > 0;
    if (it.place() == Place.FULL) {
      return chosen.place() == Place.FULL
          ? "; that one had a place first"
          : waited
              ? "; it was not free in time"
              : less < Forecast.WORTH_WAITING
                  ? "; a wait has to be worth " + Forecast.WORTH_WAITING
                  : "; too long a wait, or too many waited";
    }
    if (it.place() == Place.LAST) {
      return "; its weight is 0";
    }
    if (waited) {
      return "; that was when it chose to wait";
    }
    return chosen.instance().equals(f.best())
        ? "; the home of its key may lose " + Forecast.AT_HOME + " more"
        : "; that one was tried, for it was not heard of for long";
  }

  private static Forecast.@Nullable Part part(Decision d, @Nullable String name) {
    for (Forecast.Part p : d.forecast().parts()) {
      if (p.instance().equals(name)) {
        return p;
      }
    }
    return null;
  }

  private static @Nullable Double seconds(double nanos) {
    return rounded(nanos / 1e9);
  }

  /// Null for what is no number, as all that is not known.
  private static @Nullable Double rounded(double v) {
    return Double.isFinite(v) ? (Double) (Math.rint(v * 1e6) / 1e6) : null;
  }
}
