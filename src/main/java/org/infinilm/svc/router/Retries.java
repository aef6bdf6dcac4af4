package org.infinilm.svc.router;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Failure.Kind;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.TimeLimits;
import org.jspecify.annotations.Nullable;

/// What one request has tried, and whether and where it may try again. Event-loop confined.
/*
 * Who is asked next, while the client has nothing of an answer:
 *
 *   1. candidates of the fleet of now that this request has not tried,
 *   2. untried ones on trial, then untried ejected ones: a verdict may be late, a refusal is sure,
 *   3. tried ones, but never the last twice in a row.
 *
 * Before 2 those that sleep are waited for: they are no doubtful ones, and a new process when they are awake. Those
 * that failed are no alternative while one starts, unless they have answered others since.
 * One on demand that failed this request may just have been stopped: it is waited for after 3, once.
 *
 * Where only a wait is left, tried ones that are well again are waited for as well: what was right at
 * once need not be right minutes later. Who said that it cannot take the request (the prompt is too
 * long for it, it has not the model or the route) is not asked again.
 *
 * What may be repeated is the failure's to say (Failure.Kind). Tries that sent nothing do not count
 * against the limit while untried instances remain. An answer of 429, 502 or 503, and once a 500, is
 * put aside for another instance's within the model's retry budget; without it when the instance fails
 * time after time and the other has failed less, since leaving a broken instance out adds no load.
 *
 * Blame: when another instance answers a request on which one has failed, the fault is proven. A refusal
 * (4xx) proves nothing: nothing was computed.
 */
final class Retries {
  private static final int MOST_ATTEMPTS = 3;

  /// Answers of instances that they lack what the request needs; each is asked once.
  private static final int MOST_UNABLE = 8;

  private static final int FREE_AFTER_FAILURES = 3;
  private static final int FREE_BELOW_FAILURES = 5;
  private static final long SOON_NANOS = 1_000_000_000L;
  private static final long LATER_NANOS = 5_000_000_000L;

  private final Plane plane;
  private final Account account;
  private List<Try> tried = List.of();
  private List<Instance> suspects = List.of();

  /// The one of them that let the time for the first byte pass.
  private @Nullable Instance late;

  /// The instance for which a failure of this request was counted.
  private @Nullable Instance blamed;

  private @Nullable ApiError first;

  /// What instances said that cannot take it; what is told when nobody of the fleet can.
  private @Nullable ApiError verdict;

  private int counted;
  private int unable;
  private int vainConnects;
  private long connectingNanos;
  private long sentAtNanos;
  private boolean allTried;
  private boolean put500Aside;
  private boolean wasLate;

  /// Why an instance that was asked is left.
  enum Why {
    FAILED(""),
    /// It failed, and has slept since: it is another process.
    SLEPT(""),
    BUSY(""),
    TOO_SMALL("context_length"),
    LACKS_MODEL("model"),
    LACKS_ROUTE("route"),
    LACKS_THING("not_found");

    /// The metric's word.
    private final String cause;

    Why(String cause) {
      this.cause = cause;
    }

    /// Whether it said itself that it cannot take the request: it will not do better the next time.
    boolean isUnable() {
      return !cause.isEmpty();
    }
  }

  private record Try(Instance instance, long atNanos, Why why) {
    boolean isFailureOf(Instance i) {
      return why == Why.FAILED && instance.name().equals(i.name());
    }
  }

  Retries(Plane plane, Account account) {
    this.plane = plane;
    this.account = account;
  }

  /// Instances on which it has failed, in order.
  List<Instance> tried() {
    return tried.isEmpty() ? List.of() : tried.stream().map(Try::instance).toList();
  }

  boolean any() {
    return first != null || verdict != null;
  }

  /// What the client is told when nobody is left: what is the matter with one that sleeps, and what
  /// failed before; else the first failure; what those said that cannot take it only when nobody of
  /// the fleet could, in whatever state, since that is final to clients; else `otherwise`.
  ApiError firstCause(ApiError otherwise, Question q, Fleet fleet) {
    ApiError failed = first;
    if (otherwise.isOfASleeper()) {
      return failed == null ? otherwise : otherwise.after(failed);
    }
    if (failed != null) {
      return failed;
    }
    ApiError said = verdict;
    if (said == null) {
      return otherwise;
    }
    Instance other = couldTake(null, Why.FAILED, q, fleet);
    if (other == null) {
      return said;
    }
    return otherwise.code().equals(ApiError.NO_HEALTHY_INSTANCE)
        ? ApiError.unavailable(
            ApiError.NO_HEALTHY_INSTANCE,
            said.message()
                + "; instance "
                + other.name()
                + ", which may, is "
                + other.state().name().toLowerCase(Locale.ROOT))
        : otherwise;
  }

  /// An instance of the fleet, in whatever state, that is not known to be unable to take it, by
  /// what it said or by its size; null when all are.
  ///
  /// @param but one that has just said so, of this kind; or null
  private @Nullable Instance couldTake(@Nullable Instance but, Why why, Question q, Fleet fleet) {
    List<Try> said = but == null ? tried : with(tried, new Try(but, account.elapsedNanos(), why));
    Offer offer = plane.instances().offer(q.part(), q.replayable());
    String model = q.model();
    for (Instance i : fleet.instances()) {
      if (!i.twin()
          && (model == null || i.serves(model))
          && i.fits(q.leastTokens())
          && said.stream().noneMatch(t -> isUnable(i, t, offer))) {
        return i;
      }
    }
    return null;
  }

  /// Whether what one instance said of itself holds for this one as well.
  private static boolean isUnable(Instance i, Try said, Offer offer) {
    long held = said.instance().capacityTokens();
    return switch (said.why()) {
      case FAILED, SLEPT, BUSY -> false;
      case TOO_SMALL -> i.name().equals(said.instance().name()) || !mayHoldMore(i, held);
      case LACKS_MODEL, LACKS_THING -> i.name().equals(said.instance().name());
      case LACKS_ROUTE -> i.name().equals(said.instance().name()) || offer.lacksRoute(i.slot());
    };
  }

  private static boolean mayHoldMore(Instance i, long heldTokens) {
    return heldTokens == Instance.UNKNOWN
        || i.capacityTokens() == Instance.UNKNOWN
        || i.capacityTokens() > heldTokens;
  }

  /// Who may be asked next.
  Candidates candidates(Question q, Fleet fleet) {
    Candidates all = q.candidates(fleet);
    if (tried.isEmpty()) {
      return all;
    }
    Candidates left = all.without(this::wasTried);
    if (left.isEmpty() && !asleep(q, all).isEmpty()) {
      return left;
    }
    if (left.isEmpty()) {
      left = outOfService(left, null, q, fleet);
    }
    if (left.isEmpty() && counted < MOST_ATTEMPTS) {
      allTried = true;
      String last = tried.getLast().instance().name();
      left = all.without(i -> i.name().equals(last) || saidUnable(i));
    }
    return left;
  }

  /// Whom to wake for it where nobody else is left, the first one first; none when it has had all
  /// its attempts.
  List<Instance> sleepers(Question q, Fleet fleet) {
    List<Instance> out = asleep(q, q.candidates(fleet));
    return out.isEmpty() ? stopped(q, fleet) : out;
  }

  /// The same of those that sleep now, who are new processes when they are awake.
  List<Instance> asleep(Question q, Fleet fleet) {
    return asleep(q, q.candidates(fleet));
  }

  private List<Instance> asleep(Question q, Candidates all) {
    if (all.asleep().isEmpty() || q.model() == null || counted >= MOST_ATTEMPTS) {
      return List.of();
    }
    Offer offer = plane.instances().offer(q.part(), q.replayable());
    List<Instance> out = new ArrayList<>();
    for (Instance i : all.asleep()) {
      if (i.fits(q.leastTokens())
          && plane.wakes().refused(i.name()) == null
          && tried.stream().noneMatch(t -> isUnable(i, t, offer))) {
        out.add(i);
      }
    }
    forgive(out);
    return Sleepers.ordered(out, q);
  }

  /// Those that are on demand and failed it once while they were in service, as it seemed.
  private List<Instance> stopped(Question q, Fleet fleet) {
    if (tried.isEmpty() || q.model() == null || counted >= MOST_ATTEMPTS) {
      return List.of();
    }
    return fleet.instances().stream()
        .filter(i -> Sleepers.isOnDemand(i) && i.state() != State.DRAINING && wasTried(i))
        .filter(i -> tried.stream().filter(t -> t.isFailureOf(i)).count() == 1)
        .filter(i -> plane.wakes().refused(i.name()) == null)
        .toList();
  }

  /// One that failed it has been started since.
  void woken(String name) {
    forgive(t -> t.why() == Why.FAILED && t.instance().name().equals(name));
  }

  private void forgive(List<Instance> sleep) {
    if (!tried.isEmpty() && !sleep.isEmpty()) {
      forgive(t -> sleep.stream().anyMatch(t::isFailureOf));
    }
  }

  private void forgive(Predicate<Try> which) {
    tried =
        tried.stream()
            .map(t -> which.test(t) ? new Try(t.instance(), t.atNanos(), Why.SLEPT) : t)
            .toList();
  }

  /// Who may be waited for, besides those of whom none has a place: tried ones that are well again.
  Candidates awaited(Candidates left, Question q, Fleet fleet) {
    if (tried.isEmpty() || counted + 1 >= MOST_ATTEMPTS) {
      return left;
    }
    Part part = q.part();
    Offer offer = plane.instances().offer(part, q.replayable());
    Candidates all = q.candidates(fleet);
    boolean another = !asleep(q, all).isEmpty();
    Candidates more =
        all.without(
            i -> wasTried(i) && (offer.askedLast(i.slot()) || !wellAgain(i, part, another)));
    return more.in(Pool.ANY).size() > left.in(Pool.ANY).size() ? more : left;
  }

  /// Whether an instance that failed this request may be asked by it once more while it waits: it
  /// has answered others since, or some time has passed.
  ///
  /// @param another whether one that has not failed it is being started: time alone is no reason
  ///   then
  private boolean wellAgain(Instance i, Part part, boolean another) {
    boolean well = true;
    for (Try t : tried) {
      if (t.instance().name().equals(i.name())) {
        long age = account.elapsedNanos() - t.atNanos();
        boolean answers = t.why() == Why.FAILED && plane.instances().failuresInARow(i, part) == 0;
        boolean failing = another && t.why() == Why.FAILED && !answers;
        well &= !t.why().isUnable() && !failing && age >= (answers ? SOON_NANOS : LATER_NANOS);
      }
    }
    return well;
  }

  /// Who else may be asked than the instance that has just answered.
  Candidates besides(Instance answered, Question q, Fleet fleet) {
    Candidates left = untried(answered, q.candidates(fleet));
    return left.isEmpty() ? outOfService(left, answered, q, fleet) : left;
  }

  /// The same of those in service alone.
  Candidates inService(Instance answered, Question q, Fleet fleet) {
    Candidates all = q.candidates(fleet);
    return all.panic() ? all.instead(List.of()) : untried(answered, all);
  }

  private Candidates untried(Instance answered, Candidates all) {
    return all.without(i -> i.name().equals(answered.name()) || wasTried(i));
  }

  /// Untried ones that get no requests as they come: better those than nobody. One whose trial is
  /// another request's may be well; of the others a verdict may be late.
  private Candidates outOfService(
      Candidates left, @Nullable Instance but, Question q, Fleet fleet) {
    if (!left.trials().isEmpty()) {
      return left.instead(left.trials());
    }
    String model = q.model();
    List<Instance> out =
        fleet.instances().stream()
            .filter(i -> i.state() == State.EJECTED && !i.twin())
            .filter(i -> model == null || i.serves(model))
            .filter(i -> !wasTried(i) && (but == null || !but.name().equals(i.name())))
            .toList();
    return left.instead(out);
  }

  private boolean saidUnable(Instance i) {
    return tried.stream().anyMatch(t -> t.why().isUnable() && t.instance().name().equals(i.name()));
  }

  /// Whether it has failed on this incarnation of it.
  private boolean wasTried(Instance i) {
    for (Try t : tried) {
      if (t.instance().slot() == i.slot()
          && t.why() != Why.SLEPT
          && t.instance().name().equals(i.name())) {
        return true;
      }
    }
    return false;
  }

  /// The limits of the next call, which begins now.
  TimeLimits limits(long bodyBytes) {
    sentAtNanos = account.elapsedNanos();
    return plane
        .config()
        .timeouts()
        .limits(bodyBytes, vainConnects, Duration.ofNanos(connectingNanos));
  }

  /// Whether there is time for another address of an instance, one of which has failed. A kept
  /// connection that was closed took none.
  boolean anotherWay(Failure f) {
    if (f.kind() == Kind.CLOSED_STALE) {
      return true;
    }
    connectedInVain();
    return connectingNanos < plane.config().timeouts().connect().toNanos();
  }

  private void connectedInVain() {
    long now = account.elapsedNanos();
    vainConnects++;
    connectingNanos += now - sentAtNanos;
    sentAtNanos = now;
  }

  /// Notes a failed attempt.
  ///
  /// @param elsewhere whether another address of the instance may do better: it may be asked again
  void failed(Instance i, Failure f, boolean elsewhere) {
    if (first == null) {
      first = ApiError.of(f, i.name());
    }
    if (f.kind().nothingSent() && !allTried) {
      connectedInVain();
    } else {
      counted++;
    }
    if (!elsewhere) {
      note(i, Why.FAILED);
    }
    Sight s = Sight.of(f.kind());
    boolean tooLate = f.kind() == Kind.TIMEOUT_FIRST_BYTE;
    if (s == Sight.CLOSED || s == Sight.BAD_ANSWER || tooLate) {
      suspects = with(suspects, i);
      late = tooLate ? i : late;
    }
  }

  /// Notes that an instance left the fleet before it could be asked.
  void left(Instance i) {
    if (first == null) {
      first = ApiError.of(new Failure(Kind.CONNECT_REFUSED, "it left the fleet"), i.name());
    }
    note(i, Why.FAILED);
  }

  /// Whether the request may be sent again after this failure.
  boolean mayRepeat(Question q, Failure f) {
    boolean may =
        switch (f.kind().repeat()) {
          case NEVER -> f.kind() == Kind.TIMEOUT_FIRST_BYTE && q.replayable() && onceLate();
          case IF_REPEATABLE -> q.replayable();
          case ALWAYS -> true;
        };
    return may
        && counted < MOST_ATTEMPTS
        && account.elapsedNanos() - account.queuedNanos()
            < plane.config().timeouts().proxy().toNanos();
  }

  /// A configured limit of the first byte leads to one other attempt.
  private boolean onceLate() {
    boolean may = plane.config().timeouts().firstByte().isPresent() && !wasLate;
    wasLate = true;
    return may;
  }

  /// Whether an answer of this status may be put aside for another instance's.
  boolean mayPutAside(Question q, int status) {
    return (status == 429 || status == 502 || status == 503 || (status == 500 && !put500Aside))
        && q.generation()
        && counted + 1 < MOST_ATTEMPTS;
  }

  /// Puts an answer aside; false when the budget does not allow it.
  ///
  /// @param next who would be asked instead, at once or when it has a place
  boolean pay(Question q, Instance i, ResponseHead answer, List<Instance> next) {
    if (!isFree(i, next, q.part()) && !plane.retryBudgets().of(q.model()).retry()) {
      return false;
    }
    int status = answer.status();
    String retryAfter = answer.header("retry-after");
    plane.metrics().retry("status_" + status);
    if (first == null) {
      first = ApiError.ofAnswer(status, retryAfter, i.name());
    }
    counted++;
    put500Aside |= status == 500;
    boolean vain = Sight.of(status, retryAfter != null, false) == Sight.SERVER_ERROR;
    note(i, vain ? Why.FAILED : Why.BUSY);
    if (vain) {
      suspects = with(suspects, i);
    }
    return true;
  }

  /// Whether leaving this instance adds no load: it fails time after time, and another has done so
  /// less. Where all are broken the others catch up, and that ends.
  private boolean isFree(Instance i, List<Instance> next, Part part) {
    int failures = plane.instances().failuresInARow(i, part);
    int most = Math.min(failures, FREE_BELOW_FAILURES);
    return failures >= FREE_AFTER_FAILURES
        && next.stream().anyMatch(n -> plane.instances().failuresInARow(n, part) < most);
  }

  /// Whether later requests are better off with one instance more, by an answer that stands: it is
  /// busy, or fails time after time.
  boolean wantsAnother(Instance i, Question q, ResponseHead answer) {
    Sight s = Sight.of(answer.status(), answer.header("retry-after") != null, false);
    return q.generation()
        && (s == Sight.BUSY
            || (s == Sight.SERVER_ERROR
                && plane.instances().failuresInARow(i, q.part()) >= FREE_AFTER_FAILURES));
  }

  /// Whether one more instance may be asked after the one that says now what it lacks: nothing was
  /// computed, so that this is no attempt that counts.
  boolean mayAskMore() {
    return counted < MOST_ATTEMPTS && unable < MOST_UNABLE;
  }

  /// Who else may be asked where one lacks what the request needs; without those that are known to
  /// lack it as well. Where nobody is left who was not asked, those that failed once more.
  Candidates able(Instance but, Why lack, Question q, Fleet fleet) {
    Offer offer = plane.instances().offer(q.part(), q.replayable());
    Try said = new Try(but, account.elapsedNanos(), lack);
    Candidates left = besides(but, q, fleet).without(i -> isUnable(i, said, offer));
    return left.isEmpty()
        ? q.candidates(fleet).without(i -> !onlyFailed(i) || isUnable(i, said, offer))
        : left;
  }

  /// Whether it was asked, and failed each time.
  private boolean onlyFailed(Instance i) {
    return wasTried(i)
        && tried.stream()
            .filter(t -> t.instance().name().equals(i.name()))
            .allMatch(t -> t.why() == Why.FAILED);
  }

  /// Whether there is one besides, in whatever state, that is not known to lack it.
  boolean isElsewhere(Instance but, Why lack, Question q, Fleet fleet) {
    return couldTake(but, lack, q, fleet) != null;
  }

  /// Notes that an instance said that it lacks what the request needs: nobody's fault, and nothing
  /// was computed.
  ///
  /// @param status of its answer
  void lacks(Instance i, Why lack, int status) {
    unable++;
    note(i, lack);
    plane.metrics().retry(lack.cause);
    if (verdict == null) {
      verdict =
          switch (lack) {
            case TOO_SMALL ->
                ApiError.invalid(
                    "context_length_exceeded",
                    "instance " + i.name() + " cannot hold the prompt, and no larger one answered");
            case LACKS_MODEL ->
                ApiError.unavailable(
                    "model_not_available",
                    "instance "
                        + i.name()
                        + " lists the model and does not have it; no other answered");
            default -> ApiError.ofAnswer(status, null, i.name());
          };
    }
  }

  /// Whether an instance that was asked has failed on it in a way that may be the request's fault.
  boolean suspicious() {
    return !suspects.isEmpty();
  }

  /// What an instance showed: once the request has failed on a second one, nobody is to blame, and
  /// once one has answered it, those that had failed.
  void saw(Instance i, Sight sight, Part part) {
    switch (sight) {
      case CLOSED, BAD_ANSWER, SERVER_ERROR -> blamed = i;
      case FAILED_AGAIN -> {
        Instance b = blamed;
        if (b != null) {
          blamed = null;
          plane.instances().saw(b, Sight.SHARED, part);
        }
      }
      case ANSWERED -> answeredElsewhere(part);
      case DECLINED, BROKE, REFUSED, UNREACHABLE, SHARED, DISPROVED, HUNG, BUSY -> {}
    }
  }

  private void answeredElsewhere(Part part) {
    for (Instance s : suspects) {
      boolean tooLate = late != null && late.equals(s);
      plane.instances().saw(s, tooLate ? Sight.HUNG : Sight.DISPROVED, part);
    }
    suspects = List.of();
  }

  private void note(Instance i, Why why) {
    tried = with(tried, new Try(i, account.elapsedNanos(), why));
  }

  private static <T> List<T> with(List<T> list, T more) {
    List<T> all = new ArrayList<>(list);
    all.add(more);
    return List.copyOf(all);
  }
}
