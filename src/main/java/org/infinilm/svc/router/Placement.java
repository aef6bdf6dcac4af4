package org.infinilm.svc.router;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Forecast;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Finds one request its place: the policy's choice among candidates with the seat that goes with
/// it, or a wait in line for one. Event-loop confined.
final class Placement implements Waiting.Owner {
  /// Hears what came of it.
  interface Owner {
    /// A seat is counted in.
    void placed(Choice.Send send);

    /// Nobody of those that it waited for is left.
    void chooseAgain();

    void noPlace(ApiError why);

    /// Whom it may wait for as things are now.
    Candidates awaited();

    /// Whom to wake for it, the best first.
    List<Instance> sleepers();

    /// One of them is awake, and another process than any that it has tried.
    void woken(String name);
  }

  private static final Logger LOG = LoggerFactory.getLogger(Placement.class);

  /// How often one that has failed somewhere looks whether that instance is well again.
  private static final Duration LOOK = Duration.ofSeconds(1);

  /// A wait for the fleet to change.
  private static final Choice.Wait FOR_WHO_SLEEPS = new Choice.Wait(List.of());

  private final Plane plane;
  private final Inbound in;
  private final Account account;
  private final Question question;
  private final Owner owner;
  private final Part part;
  private @Nullable Waiting waiting;

  /// What it waits for while it waits for one that sleeps.
  private Wakes.@Nullable Want want;

  private List<Instance> avoided = List.of();

  /// What was compared when it last chose to wait.
  private Forecast compared = Forecast.NONE;

  Placement(Plane plane, Inbound in, Account account, Question question, Owner owner) {
    this.plane = plane;
    this.in = in;
    this.account = account;
    this.question = question;
    this.part = question.part();
    this.owner = owner;
  }

  /// Instances that were passed over for its model or session.
  List<Instance> avoided() {
    return avoided;
  }

  /// Who may be asked for it now.
  private Offer offer() {
    return plane.instances().offer(part, question.replayable());
  }

  /// Whom a request would get now; nothing is taken.
  Choice look(Candidates among) {
    boolean mayTry = question.replayable();
    return plane.admission().look(ask(), among, offer(), mayTry, ThreadLocalRandom.current());
  }

  /// What it asks a policy for, with the time that it has waited until now.
  private Ask ask() {
    return question.ask().waited(account.waitedNanos());
  }

  /// Chooses; a `Send` has its seat, for [#follow] or [#giveBack].
  Choice choose(Candidates among) {
    long before = plane.ticker().nanos();
    Offer offer = offer();
    boolean mayTry = question.replayable();
    Choice c = plane.admission().choose(ask(), among, offer, mayTry, ThreadLocalRandom.current());
    plane.metrics().decided(plane.ticker().nanos() - before);
    if (offer instanceof PartOffer && c instanceof Choice.Send s) {
      avoided = avoidedFor(s.instance(), among, offer);
      plane.instances().goes(s.instance(), part, question.replayable());
    }
    return c;
  }

  /// Those that are left out for the one that is chosen.
  private static List<Instance> avoidedFor(Instance chosen, Candidates among, Offer offer) {
    List<Instance> out = new ArrayList<>();
    if (!offer.isForPart(chosen.slot())) {
      for (Instance i : among.in(Pool.ANY)) {
        if (offer.isForPart(i.slot())) {
          out.add(i);
        }
      }
    }
    return List.copyOf(out);
  }

  /// The instances of which one would get a request now, or later where the line has room; none
  /// when nobody would.
  List<Instance> wouldGet(Candidates among) {
    Choice c = look(among);
    return c instanceof Choice.Wait && plane.seats().lineIsFull() ? List.of() : accepted(c);
  }

  private static List<Instance> accepted(Choice c) {
    return switch (c) {
      case Choice.Send s -> List.of(s.instance());
      case Choice.Wait w -> w.accepted();
      case Choice.Refuse r -> List.of();
    };
  }

  /// Whether there is room in the line for it, and time left to stand there.
  boolean mayWait() {
    return leftToWait().isPositive() && !plane.seats().lineIsFull();
  }

  private Duration leftToWait() {
    return plane.config().seating().queueTimeout().minusNanos(account.waitedNanos());
  }

  /// Finds it a place anew among those of now.
  void chooseAgain() {
    owner.chooseAgain();
  }

  /// Gives back the seat of a choice that is not made use of.
  void giveBack(Choice.Send s) {
    plane.admission().giveBack(s);
  }

  /// Waits for one that sleeps, where nobody in service can be asked; false when there is none.
  ///
  /// @param among who may be asked now
  boolean holds(Candidates among) {
    return isNobody(among) && waitsForWhoSleeps(among);
  }

  /// The same whoever may be asked now.
  boolean waitsForWhoSleeps(Candidates among) {
    return hold(among, null);
  }

  private static boolean isNobody(Candidates among) {
    return among.isEmpty() || among.panic();
  }

  /// Waits for one that sleeps; false when there is none.
  ///
  /// @param in its place in the line, which it keeps, or null
  private boolean hold(Candidates among, @Nullable Waiting in) {
    List<Instance> sleepers = owner.sleepers();
    String model = question.model();
    if (sleepers.isEmpty() || model == null) {
      return false;
    }
    Instance first = sleepers.getFirst();
    Wakes.Want now = want;
    if (now == null || !now.isFor(first)) {
      want = plane.wakes().want(first, model);
      if (now != null) {
        now.close();
      }
    }
    if (in == null) {
      await(FOR_WHO_SLEEPS, among);
    } else {
      in.move(among, FOR_WHO_SLEEPS);
      watch(in, among, FOR_WHO_SLEEPS);
    }
    if (plane.wakes().refused(first.name()) != null) {
      // before it stood in line, so that nobody calls it
      lookAgain();
    }
    return true;
  }

  private void heldNoMore() {
    Wakes.Want w = want;
    want = null;
    if (w != null) {
      w.close();
    }
  }

  /// What is waited for, or null.
  @Nullable String progress() {
    Wakes.Want w = want;
    return w == null ? null : w.progress();
  }

  /// What a client is told when nobody is in service.
  ApiError nobody() {
    for (Instance i : question.candidates(plane.table().get().fleet()).asleep()) {
      ApiError no = plane.wakes().refused(i.name());
      if (no != null) {
        return no;
      }
    }
    return question.nobody();
  }

  /// Has one woken for later requests that this one would rather have gone to.
  private void wakeBeside(Choice c, Candidates among) {
    if (!among.asleep().isEmpty() && Sleepers.mayHaveBetter(c)) {
      Instance better = Sleepers.better(c, owner.sleepers(), question);
      wakes(better == null ? List.of() : List.of(better));
    }
  }

  /// Has the first of them woken for later requests, where it sleeps.
  void wakes(List<Instance> sleepers) {
    if (!sleepers.isEmpty() && sleepers.getFirst().state() == State.ASLEEP) {
      plane.wakes().nudge(sleepers.getFirst());
    }
  }

  /// Does as was chosen; the owner may hear of it before this returns.
  void follow(Choice c, Candidates among) {
    switch (c) {
      case Choice.Send s -> {
        heldNoMore();
        account.waited();
        wakeBeside(s, among);
        owner.placed(s);
      }
      case Choice.Wait w -> {
        heldNoMore();
        wakeBeside(w, among);
        await(w, among);
      }
      case Choice.Refuse r -> {
        if (!waitsForWhoSleeps(among)) {
          heldNoMore();
          owner.noPlace(refusal(r));
        }
      }
    }
  }

  /// There is no place for it.
  void none(ApiError why) {
    heldNoMore();
    account.waited();
    owner.noPlace(why);
  }

  /// A 400 is final to clients: it is only told when nobody would hold the request, in whatever
  /// state they are.
  private ApiError refusal(Choice.Refuse r) {
    String model = question.model();
    for (Instance i : plane.table().get().fleet().instances()) {
      if ((model == null || i.serves(model)) && i.fits(r.leastTokens())) {
        return ApiError.unavailable(
            ApiError.NO_HEALTHY_INSTANCE,
            "no instance in service holds the request's "
                + r.leastTokens()
                + " tokens or more; instance "
                + i.name()
                + ", which would, is "
                + i.state().name().toLowerCase(Locale.ROOT));
      }
    }
    return ApiError.invalid(
        "context_length_exceeded",
        "the request needs at least "
            + r.leastTokens()
            + " tokens for its text alone (expected: at most "
            + r.capacityTokens()
            + ", the largest instance of this model)");
  }

  /// Stands in line for a seat; a request that waited before keeps its time.
  private void await(Choice.Wait w, Candidates among) {
    Duration left = leftToWait();
    compare(w);
    Waiting next = new Waiting(plane.seats(), in, this, w);
    boolean takenIn = account.takenIn();
    waiting = next;
    if (left.isPositive()
        && next.start(among, question.bodyBytes(), account.sinceNanos(), takenIn, left)) {
      account.waits();
      watch(next, among, w);
    } else {
      waiting = null;
      lastResort(w, "too many requests wait");
    }
  }

  private void compare(Choice.Wait w) {
    if (!w.ways().isEmpty() && !w.ways().getFirst().forecast().parts().isEmpty()) {
      compared = w.ways().getFirst().forecast();
    }
  }

  /// A choice of one that leaves the line for it.
  private Choice.Send leaving(Choice.Send s) {
    Forecast f = s.forecast().leaving(compared, account.waitedNanos());
    return new Choice.Send(s.instance(), s.pool(), s.why(), f);
  }

  /// Those that have a place and were not asked: because others are, or because the policy would
  /// rather have waited, which it says by asking to be asked again.
  static List<Instance> idle(Candidates now, Offer offer, Choice.Wait w) {
    boolean byChoice = w.lookNanos() > 0;
    List<Instance> idle = new ArrayList<>();
    for (Instance i : now.in(Pool.ANY)) {
      if ((byChoice || offer.passedOver(i.slot())) && offer.free(i.slot())) {
        idle.add(i);
      }
    }
    return idle;
  }

  /// Nobody is left but those that were not asked, if they would take it, before it is refused.
  ///
  /// @param why it cannot wait for one that sleeps
  private void lastResort(Choice.Wait w, String why) {
    Wakes.Want held = want;
    heldNoMore();
    Candidates now = owner.awaited();
    Offer offer = offer();
    List<Instance> idle = idle(now, offer, w);
    account.waited();
    if (!idle.isEmpty() && choose(now.instead(idle)) instanceof Choice.Send s) {
      owner.placed(leaving(s));
    } else {
      account.compared(compared);
      owner.noPlace(held == null ? overloaded(w) : held.tooLong(why));
    }
  }

  /// Looks again when that may help which no event tells: the pause of an instance is over, one
  /// that failed this request is well again, or the policy wants to be asked again.
  private void watch(Waiting w, Candidates among, Choice.Wait wait) {
    long nanos = account.sends() > 0 ? LOOK.toNanos() : Long.MAX_VALUE;
    nanos = wait.lookNanos() > 0 ? Math.min(nanos, wait.lookNanos()) : nanos;
    Offer offer = offer();
    for (Instance i : among.in(Pool.ANY)) {
      long pause = offer.passedOverNanos(i.slot());
      nanos = pause > 0 ? Math.min(nanos, pause) : nanos;
    }
    if (nanos != Long.MAX_VALUE) {
      w.later(Duration.ofNanos(nanos), this::lookAgain);
    }
  }

  /// Chooses anew among those of now while it stands in line; it leaves its place only for a seat.
  @Override
  public void lookAgain() {
    Waiting w = waiting;
    if (w == null) {
      return;
    }
    try {
      Wakes.Want awake = want;
      if (awake != null && awake.served()) {
        owner.woken(awake.name());
      }
      Candidates now = owner.awaited();
      if (isNobody(now) && hold(now, w)) {
        return;
      }
      if (!now.isEmpty()) {
        look(w, now);
      } else if (w.leaveUnlessCalled()) {
        waiting = null;
        heldNoMore();
        owner.chooseAgain();
      }
    } catch (RuntimeException e) {
      LOG.error("request {} could not look for another place", account.requestId(), e);
      leave();
      owner.noPlace(ApiError.internal());
    }
  }

  private void look(Waiting w, Candidates now) {
    Choice c = choose(now);
    if (c instanceof Choice.Wait to) {
      heldNoMore();
      wakeBeside(to, now);
      compare(to);
      w.move(now, to);
      watch(w, now, to);
    } else if (c instanceof Choice.Refuse && hold(now, w)) {
      return;
    } else if (w.leaveUnlessCalled()) {
      waiting = null;
      follow(c instanceof Choice.Send s ? leaving(s) : c, now);
    } else if (c instanceof Choice.Send s) {
      giveBack(s);
    }
  }

  private ApiError overloaded(Choice.Wait w) {
    return ApiError.unavailable(
        "overloaded",
        "every instance that could take the request is busy",
        Long.toString(plane.seats().retryAfterSeconds(w.accepted())));
  }

  /// Leaves the line, if it stands in one.
  void leave() {
    Waiting w = waiting;
    waiting = null;
    heldNoMore();
    if (w != null) {
      w.leave();
      account.waited();
    }
  }

  @Override
  public void seated(Choice.Send s) {
    waiting = null;
    heldNoMore();
    if (offer() instanceof PartOffer) {
      plane.instances().goes(s.instance(), part, question.replayable());
    }
    account.waited();
    String model = question.model() == null ? "" : question.model();
    owner.placed(plane.admission().foretold(ask(), model, s));
  }

  @Override
  public void waitedTooLong(Choice.Wait w) {
    waiting = null;
    lastResort(w, "it did not serve in time (queue_timeout)");
  }
}
