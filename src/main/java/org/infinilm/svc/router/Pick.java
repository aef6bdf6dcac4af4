package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.UpstreamEvents;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Said;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One request that somebody else carries, from its complete body to its one outcome: chosen for,
/// counted and learned from like an [Exchange], with the same parts. It never blocks and lives on
/// one event loop.
/*
 * Who carries it is told once where it goes, and whom to ask after that one. So nothing is sent
 * again from here, and no answer is put aside: what failed is known when another has answered, or
 * none has.
 */
final class Pick extends InHand {
  private static final Logger LOG = LoggerFactory.getLogger(Pick.class);

  /// What clients are told to come back later for, where nobody has a place.
  private static final int SHED = 429;

  private final Carried in;
  private @Nullable Answer answer;
  private List<Way> others = List.of();

  /// The one that has answered in place of the first, while the first is told that it failed.
  private @Nullable Way served;

  /// One that may answer.
  private record Way(Instance instance, Pool pool, Target target, Origin origin) {}

  private Pick(
      Plane plane, Carried in, Account account, Question question, @Nullable Rewritten body) {
    super(plane, in, account, question, body);
    this.in = in;
  }

  /// Takes over a request that [Reading] has read, on its event loop.
  ///
  /// @param body what instances get instead of the client's own, or null
  static void start(
      Plane plane, Carried in, Account account, Question question, @Nullable Rewritten body) {
    Pick p = new Pick(plane, in, account, question, body);
    in.events(p);
    plane.flights().enter(p, in.loop());
    p.chooseAgain();
  }

  @Override
  public void chooseAgain() {
    try {
      Candidates left = awaited();
      if (candidates == null) {
        candidates = left;
      }
      if (placement.holds(left)) {
        return;
      }
      if (left.isEmpty()) {
        noPlace(nobody());
      } else {
        placement.follow(placement.choose(left), left);
      }
    } catch (RuntimeException e) {
      LOG.error("request {} failed", account.requestId(), e);
      stop(ApiError.internal());
    }
  }

  private ApiError nobody() {
    Set<String> subset = in.subset();
    return subset == null || question.candidates(fleet()).isEmpty()
        ? placement.nobody()
        : ApiError.unavailable(
            ApiError.NO_HEALTHY_INSTANCE,
            "no instance in service is among the "
                + subset.size()
                + " endpoints of the gateway's subset");
  }

  @Override
  public Candidates awaited() {
    Candidates all = retries.candidates(question, fleet());
    return in.subset() == null ? all : all.without(i -> reachable(i) == null);
  }

  @Override
  public List<Instance> sleepers() {
    return in.subset() == null ? retries.sleepers(question, fleet()) : List.of();
  }

  /// How it is reached by who carries the request, or null when it is not.
  private @Nullable Target reachable(Instance i) {
    Target t = plane.table().get().target(i);
    Set<String> subset = in.subset();
    return t == null
        ? null
        : t.of(o -> {
          String e = Carried.endpoint(o);
          return e != null && (subset == null || subset.contains(e));
        });
  }

  /// The client is told so; where there is no place now, that it may come again.
  @Override
  public void noPlace(ApiError why) {
    boolean shed = why.code().equals(ApiError.OVERLOADED);
    end(
        shed
            ? new ApiError(
                SHED,
                why.outcome(),
                why.code(),
                "rate_limit_error",
                why.message(),
                why.retryAfter(),
                why.again())
            : why);
  }

  @Override
  public void placed(Choice.Send s) {
    Instance i = s.instance();
    Target target = reachable(i);
    if (target == null) {
      placement.giveBack(s);
      retries.left(i);
      chooseAgain();
      return;
    }
    Attempt a =
        new Attempt(plane, this, question, s, target, s.why(), question.replayable(), false);
    attempt = a;
    others = fallbacks(s, target);
    in.others(others.stream().map(Way::origin).toList(), this::served);
    account.sent();
    sending.send(a, retries.limits(question.bodyBytes()));
  }

  /// Whom to ask after the chosen one: itself at its other addresses, then others. One place is
  /// another's where there is one: who is dead is so at each address.
  private List<Way> fallbacks(Choice.Send s, Target chosen) {
    int most = in.mostOthers();
    if (most == 0) {
      return List.of();
    }
    List<Way> elsewhere = elsewhere(s, chosen, most);
    List<Way> out = new ArrayList<>(most);
    for (Origin o : chosen.origins().subList(1, chosen.origins().size())) {
      if (out.size() < most - Math.min(1, elsewhere.size())) {
        out.add(new Way(s.instance(), s.pool(), chosen, o));
      }
    }
    out.addAll(elsewhere.subList(0, Math.min(elsewhere.size(), most - out.size())));
    return out;
  }

  /// Others for a request as it is told the chosen one: of its pool those with the fewest requests,
  /// then others that hold it. No policy is asked, so that it takes no turns for what most likely
  /// does not come.
  private List<Way> elsewhere(Choice.Send s, Target chosen, int most) {
    // those of now: it may have waited since it was first chosen for
    Candidates all = awaited();
    List<Way> out = new ArrayList<>(most);
    for (Pool p : s.pool() == Pool.ANY ? List.of(Pool.ANY) : List.of(s.pool(), Pool.ANY)) {
      while (out.size() < most) {
        Way next = next(all, p, chosen, out);
        if (next == null) {
          break;
        }
        out.add(next);
      }
    }
    return out;
  }

  private @Nullable Way next(Candidates of, Pool pool, Target chosen, List<Way> taken) {
    Offer offer = plane.instances().offer(question.part(), question.replayable());
    Way best = null;
    double least = Double.MAX_VALUE;
    for (Instance i : of.in(pool)) {
      if (i.slot() != chosen.instance().slot()
          && i.weight() > 0
          && !offer.othersFirst(i.slot())
          && i.fits(question.needTokens())
          && taken.stream().noneMatch(w -> w.instance().slot() == i.slot())) {
        double load = (offer.inFlight(i.slot()) + 1) / (i.weight() * offer.share(i.slot()));
        Target t = load < least ? reachable(i) : null;
        // one head is told for all of the list: a key, or a path, is nobody else's
        if (t != null && t.toldLike(chosen)) {
          least = load;
          best = new Way(i, pool, t, t.origins().getFirst());
        }
      }
    }
    return best;
  }

  /// Another one answers than the first: of its own addresses, or another instance.
  private @Nullable UpstreamEvents served(String endpoint) {
    Attempt first = current();
    int at = 0;
    while (at < others.size() && !endpoint.equals(Carried.endpoint(others.get(at).origin()))) {
      at++;
    }
    if (at == others.size()) {
      return null;
    }
    for (Way w : others.subList(0, at + 1)) {
      if (w.instance().slot() == first.instance().slot()) {
        first.movedTo(w.origin());
      }
    }
    Way w = others.get(at);
    if (w.instance().slot() != first.instance().slot()) {
      served = w;
      first.failed(
          new Failure(Failure.Kind.CLOSED_BEFORE_ANSWER, "another instance answered for it"));
      served = null;
    }
    return attempt;
  }

  /// The first one has failed where another has taken the request.
  private void moved(Attempt from, Way to, Failure f) {
    retries.failed(from.instance(), f, from.hasOtherAddress());
    plane.metrics().retry("fallback");
    plane.seats().take(to.instance());
    account.sent();
    Attempt next =
        new Attempt(
            plane,
            this,
            question,
            new Choice.Send(to.instance(), to.pool(), Reason.RETRY),
            to.target(),
            Reason.RETRY,
            false,
            retries.suspicious());
    next.tookOver(from, to.origin());
    attempt = next;
  }

  @Override
  public void interim(ResponseHead head) {}

  @Override
  public void answered(ResponseHead head) {
    boolean shown = plane.config().decisionHeaders();
    Answer a = new Answer(in, question, head);
    answer = a;
    a.begin(Answer.decision(account, question, current(), shown), shown);
  }

  @Override
  public void body(ByteBuf slice) {
    Answer a = relayed();
    a.slice(slice, current().flight(), plane.ticker());
  }

  @Override
  public void pause() {
    relayed().flush();
  }

  @Override
  public boolean isWhole(boolean byClose) {
    return !byClose || !relayed().cutByClose();
  }

  @Override
  public void ended() {
    Answer a = relayed();
    settle(Outcome.ofStatus(a.status()), a.status(), null, a::end);
  }

  @Override
  public void failed(Failure f) {
    Attempt a = current();
    a.countOut();
    Way to = served;
    if (to != null) {
      moved(a, to, f);
    } else if (f.kind() == Failure.Kind.PROXY_ANSWERED) {
      end(ApiError.proxyAnswered(in.ownStatus(), f.detail()));
    } else {
      noPlace(ApiError.of(f, a.instance().name()));
    }
  }

  @Override
  public void writable(boolean on) {}

  /// The client gets our words as long as it has nothing of an instance's.
  @Override
  void end(ApiError e) {
    Answer a = answer;
    settle(
        e.outcome(),
        a == null ? e.status() : a.status(),
        Said.of(e, null),
        () -> {
          if (a == null) {
            in.answer(e.response(account.requestId(), question.shape()));
          } else {
            in.breakOff(new byte[0]);
          }
        });
  }

  @Override
  @Nullable Answer answer() {
    return answer;
  }

  private Answer relayed() {
    Answer a = answer;
    if (a == null) {
      throw new IllegalStateException("body before head");
    }
    return a;
  }
}
