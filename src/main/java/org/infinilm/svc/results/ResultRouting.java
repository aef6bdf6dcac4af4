package org.infinilm.svc.results;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// Where the requests of a run went, as the bench saw it. Counts that are not known are -1.
///
/// @param threshold in the unit of `metric`; -1 when there is none
/// @param sent all requests of the run; of an old file those that were checked
/// @param claimed requests that are correct by the router's own word alone; 0 when the file does
///   not say
/// @param proven answers that name their instance themselves; -1 when the file does not say
/// @param accuracy share of the requests sent that the pool named by the rule answered; NaN when
///   none was checked
/// @param countersAgree whether the instances' own counters say the same; empty when not looked at
public record ResultRouting(
    long threshold,
    String metric,
    long sent,
    long checked,
    long correct,
    long claimed,
    long proven,
    double accuracy,
    Map<String, Pool> pools,
    List<Instance> instances,
    Map<String, Long> reasons,
    List<Misrouted> exceptions,
    Optional<Boolean> countersAgree) {

  /// `99.9 % (49,998 of 50,000)`: rounded down, so that 100 % means every one; empty when none was
  /// checked. What only the router says is no share.
  public Optional<String> accuracyText() {
    if (claimed > 0) {
      String rest =
          String.format(Locale.ROOT, "%,d of %,d by the router's own word", claimed, sent);
      return Optional.of(
          correct == 0
              ? "not proven (" + rest + ")"
              : String.format(Locale.ROOT, "at least %.1f %%, not proven: %s", percent(), rest));
    }
    return checked <= 0
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "%.1f %% (%,d of %,d%s)",
                percent(),
                correct,
                sent,
                proven < 0 ? " checked" : String.format(Locale.ROOT, " sent, %,d proven", proven)));
  }

  private double percent() {
    return Math.floor(1000.0 * correct / sent) / 10;
  }

  public record Pool(long requests, long minBytes, long medianBytes, long maxBytes) {}

  /// @param counted difference of the instance's own request counter over the run
  public record Instance(String name, String pool, long requests, long counted) {}

  /// A request that another pool than the expected one answered.
  public record Misrouted(
      long index,
      String requestId,
      long size,
      String expected,
      String pool,
      String instance,
      String reason) {}
}
