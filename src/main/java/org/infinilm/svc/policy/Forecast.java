package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What a policy foretold of a request when it sent it, and what it took the instance for; it gets
/// that back with the [Facts].
///
/// @param newTokens of the prompt that no cache was expected to hold
/// @param prefillNanos what computing them should cost
/// @param firstNanos until the first token, waiting included
/// @param tokenNanos between tokens of the answer
/// @param placed whether the instance had a place for it, so that only prompts came before it
/// @param others whether requests of others were before it, as far as was told
/// @param waitedNanos in line before it was sent, of one that chose to
/// @param longestTokens longest context on the instance, its own included
/// @param totalTokens contexts on the instance together, its own included
/// @param sequences answers that a step computes there, its own included
/// @param loss what this choice was expected to lose, others' losses included
/// @param othersLoss of that what others lose
/// @param ruleLoss what the fixed rule's choice was
/// @param byRule whether it is the fixed rule's choice
/// @param mode who decided
/// @param best name of the instance that was expected to lose least, or null when none was looked
///   at
/// @param bestStatic whether that one is static
/// @param model by whose costs it was foretold
/// @param ownText whether other routers may have left its text there, which this one does not know
/// @param parts what was compared, in the order of the candidates
public record Forecast(
    double newTokens,
    double prefillNanos,
    double firstNanos,
    double tokenNanos,
    boolean placed,
    boolean others,
    double waitedNanos,
    double longestTokens,
    double totalTokens,
    double sequences,
    double loss,
    double othersLoss,
    double ruleLoss,
    boolean byRule,
    Mode mode,
    @Nullable String best,
    boolean bestStatic,
    String model,
    boolean ownText,
    List<Part> parts) {
  /// Who decides for a model.
  public enum Mode {
    /// The fixed rule: too little is known.
    COLD,
    /// The learned costs.
    LEARNED,
    /// The fixed rule, for the learned costs have lost more than it would have.
    FALLBACK,
    /// The fixed rule; what the learned costs would have chosen is recorded.
    SHADOW
  }

  /// What kind of place a candidate had.
  public enum Place {
    /// One that it could be sent to.
    FREE,
    /// None: what it would come to is that of a wait for one.
    FULL,
    /// One of weight 0, which is taken where there is no other.
    LAST
  }

  /// A full instance must be expected to lose so much less that it is worth a wait.
  public static final double WORTH_WAITING = 0.05;

  /// Of several routers each sends a key to the home that it has at all of them, unless another
  /// instance is expected to lose so much less.
  public static final double AT_HOME = 0.01;

  /// What one candidate would come to.
  ///
  /// @param place what it had
  /// @param waitNanos before the prompt is begun
  /// @param prefillNanos of its new tokens
  /// @param firstNanos until the first token
  /// @param tokenNanos between tokens
  /// @param ownLoss what the request itself would lose
  /// @param othersLoss what those that are there would lose more
  public record Part(
      String instance,
      Place place,
      double newTokens,
      double waitNanos,
      double prefillNanos,
      double firstNanos,
      double tokenNanos,
      double ownLoss,
      double othersLoss) {
    /// What it and the others would lose.
    public double loss() {
      return ownLoss + othersLoss;
    }

    /// The same where others lose so much more.
    Part withOthers(double more) {
      return new Part(
          instance,
          place,
          newTokens,
          waitNanos,
          prefillNanos,
          firstNanos,
          tokenNanos,
          ownLoss,
          othersLoss + more);
    }
  }

  /// Nothing was foretold.
  public static final Forecast NONE = new Forecast(0, 0, 0, 0, false, 0, 0, 0, 0, true);

  /// One that nothing was compared for, alone on its instance.
  public Forecast(
      double newTokens,
      double prefillNanos,
      double firstNanos,
      double tokenNanos,
      boolean placed,
      double longestTokens,
      double totalTokens,
      double loss,
      double ruleLoss,
      boolean byRule) {
    this(
        newTokens,
        prefillNanos,
        firstNanos,
        tokenNanos,
        placed,
        false,
        0,
        longestTokens,
        totalTokens,
        1,
        loss,
        0,
        ruleLoss,
        byRule,
        Mode.COLD,
        null,
        false,
        "",
        false,
        List.of());
  }

  /// What was compared when a request chose to wait.
  ///
  /// @param ruleLoss what the fixed rule's choice was expected to lose
  /// @param byRule whether the fixed rule would have it wait too
  static Forecast compared(Instance best, double ruleLoss, boolean byRule, List<Part> parts) {
    return new Forecast(
        0,
        0,
        0,
        0,
        false,
        false,
        0,
        0,
        0,
        0,
        0,
        0,
        ruleLoss,
        byRule,
        Mode.LEARNED,
        best.name(),
        best.cacheType() == CacheType.STATIC,
        "",
        false,
        List.copyOf(parts));
  }

  /// The same of a request that has waited so long, with what was compared when it chose to.
  public Forecast after(Forecast wait, long nanos) {
    return wait.parts.isEmpty()
        ? this
        : waited(
            (double) nanos, wait.ruleLoss, wait.byRule, wait.best, wait.bestStatic, wait.parts);
  }

  /// The same of a request that has waited so long by its own choice, and leaves the line for this:
  /// what was compared when it last chose to wait is told of it too.
  public Forecast leaving(Forecast wait, long nanos) {
    if (wait.parts.isEmpty()) {
      return this;
    }
    List<Part> all = new ArrayList<>(parts);
    for (Part w : wait.parts) {
      if (parts.stream().noneMatch(p -> p.instance().equals(w.instance()))) {
        all.add(w);
      }
    }
    return waited(
        (double) nanos,
        wait.byRule ? ruleLoss : wait.ruleLoss,
        wait.byRule && byRule,
        best,
        bestStatic,
        List.copyOf(all));
  }

  private Forecast waited(
      double nanos,
      double itsRuleLoss,
      boolean itsByRule,
      @Nullable String itsBest,
      boolean itsBestStatic,
      List<Part> itsParts) {
    return new Forecast(
        newTokens,
        prefillNanos,
        firstNanos,
        tokenNanos,
        placed,
        others,
        nanos,
        longestTokens,
        totalTokens,
        sequences,
        loss,
        othersLoss,
        itsRuleLoss,
        itsByRule,
        mode,
        itsBest,
        itsBestStatic,
        model,
        ownText,
        itsParts);
  }

  /// Whether nothing was foretold.
  public boolean isNone() {
    return newTokens == 0;
  }
}
