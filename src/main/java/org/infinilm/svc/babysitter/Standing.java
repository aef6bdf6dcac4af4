package org.infinilm.svc.babysitter;

import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient.Outcome;
import org.jspecify.annotations.Nullable;

/// What a registrant knows of its entry in the registry, and what it says next: `(state, call,
/// answer) -> state`, without threads, clocks or effects.
///
/// @param told what the registry holds; null when it holds nothing or that is not known
/// @param taken another registrant has the name
/// @param known the entry was in the registry once
/// @param claimed it has had the name while it served; from then on whoever takes it keeps it
/// @param free it was asked just now whose the name is, and it is nobody else's
/// @param doubts how often the entry must still be said whole, since an unanswered call may have
///   been carried out or will be
record Standing(
    @Nullable Registration told,
    boolean taken,
    boolean known,
    boolean claimed,
    boolean free,
    int doubts) {
  /* How it works
   *
   * A call without an answer may have been carried out, or not, or will be later, after those that
   * were sent after it: a registry that stood still reads what waits for it in any order. So from
   * the moment a call is sent that says a status until its answer, what the registry holds is not
   * known (#sent); the entry is then said whole once the registry answers, a moment later, and a
   * heartbeat later, against calls that come late. Before that it is asked whose the name is.
   * A heartbeat says no "running": that would undo what somebody else set at the registry.
   */

  static final Standing INITIAL = new Standing(null, false, false, false, false, 0);

  /// An entry that serves.
  static final String RUNNING = "running";

  private static final int DOUBTS = 3;

  /// One call to the registry.
  sealed interface Call {
    Registration entry();

    /// @param claim whether it takes the name from whoever has it
    record Register(Registration entry, boolean claim) implements Call {}

    /// Another status of an entry that is otherwise as the registry has it.
    record Status(Registration entry) implements Call {}

    /// @param status null where it says none
    record Renew(Registration entry, @Nullable String status) implements Call {}

    /// Whose the name is: a heartbeat without a status.
    record Ask(Registration entry) implements Call {}
  }

  /// When the next call is due after an answer, unless something else is wanted before.
  enum Pace {
    NOW,
    SOON,
    HEARTBEAT
  }

  /// @param claims whether an entry that serves takes the name away from a living holder
  Call next(Registration wanted, boolean claims) {
    if (claims && !claimed && wanted.status().equals(RUNNING)) {
      return new Call.Register(wanted, true);
    }
    if (free) {
      return new Call.Register(wanted, false);
    }
    if (taken || !known || doubts > 0) {
      return new Call.Ask(wanted);
    }
    Registration before = told;
    if (before == null || needsPost(before, wanted)) {
      return new Call.Register(wanted, false);
    }
    return before.equals(wanted)
        ? new Call.Renew(wanted, wanted.status().equals(RUNNING) ? null : wanted.status())
        : new Call.Status(wanted);
  }

  /// Coming back to service is a registration, not a new status: it also makes the registry forget
  /// what its probes found meanwhile.
  private static boolean needsPost(Registration before, Registration wanted) {
    return !before.equals(wanted)
        && (wanted.status().equals(RUNNING) || !before.equals(wanted.withStatus(before.status())));
  }

  /// As long as there is no answer, and for good where none comes.
  Standing sent(Call call) {
    return switch (call) {
      case Call.Register _, Call.Status _ ->
          new Standing(null, taken, known, claimed, false, DOUBTS);
      case Call.Renew r when r.status() != null ->
          new Standing(told, taken, known, claimed, free, DOUBTS);
      case Call.Renew _, Call.Ask _ -> this;
    };
  }

  /// The call was answered, and another registry of the same table may carry it out as well, later.
  Standing doubting(Call call) {
    boolean says =
        !(call instanceof Call.Ask || (call instanceof Call.Renew r && r.status() == null));
    return new Standing(
        told, taken, known, claimed, free, says ? Math.max(doubts, DOUBTS - 1) : doubts);
  }

  /// From the state in which `call` was the next one.
  Standing answered(Call call, Outcome outcome) {
    return switch (outcome) {
      case TAKEN -> new Standing(null, true, known, claimed, false, doubts);
      case UNKNOWN ->
          call instanceof Call.Ask
              ? withFree(true)
              : new Standing(null, false, known, claimed, false, doubts);
      case DONE ->
          switch (call) {
            case Call.Ask _ -> withFree(true);
            case Call.Register r ->
                new Standing(r.entry(), false, true, claimed || r.claim(), false, less());
            case Call.Status s -> new Standing(s.entry(), false, true, claimed, false, less());
            case Call.Renew r -> new Standing(r.entry(), false, true, claimed, false, less());
          };
    };
  }

  /// The call was certainly not sent; who had the name may have lost it before the next one.
  Standing unsent() {
    return withFree(false);
  }

  private Standing withFree(boolean f) {
    return new Standing(told, taken, known, claimed, f, doubts);
  }

  private int less() {
    return Math.max(0, doubts - 1);
  }

  /// Who lost the name looks for it sooner than a heartbeat, so that it is not without an instance
  /// for long.
  Pace pace() {
    if (free) {
      return Pace.NOW;
    }
    if (taken || doubts > 1) {
      return Pace.SOON;
    }
    return told == null ? Pace.NOW : Pace.HEARTBEAT;
  }
}
