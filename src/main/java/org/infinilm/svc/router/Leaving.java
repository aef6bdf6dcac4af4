package org.infinilm.svc.router;

import java.util.List;
import java.util.function.Predicate;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.ResponseHead;

/// Leaves the instance that answers one request for another that may do better, as long as the
/// client has nothing of the answer. Event-loop confined.
///
/// Where it says that it left, another attempt is under way or stands in line already.
final class Leaving {
  private final Plane plane;
  private final Question question;
  private final Retries retries;
  private final Placement placement;
  private final Reply reply;

  Leaving(Plane plane, Question question, Retries retries, Placement placement, Reply reply) {
    this.plane = plane;
    this.question = question;
    this.retries = retries;
    this.placement = placement;
    this.reply = reply;
  }

  /// Puts aside an answer that says that the instance is busy or failing, while somebody else can
  /// take the request.
  boolean putsAside(Attempt a, ResponseHead head) {
    Instance i = a.instance();
    return retries.mayPutAside(question, head.status())
        && to(retries.besides(i, question, fleet()), a, who -> retries.pay(question, i, head, who));
  }

  /// Asks another instance where an answer says that this one cannot hold the prompt (the estimate
  /// of its tokens was too low), or has not the model that it lists, or the route.
  boolean afterRefusal(Attempt a, Refusal why) {
    return why.isForLength()
        ? forLarger(a)
        : why.isForModel() ? forOneWithTheModel(a) : why.isForRoute() && forOneWithTheRoute(a, why);
  }

  private boolean forLarger(Attempt a) {
    Instance i = a.instance();
    return to(
        retries.larger(i, question, fleet()),
        a,
        who -> {
          plane.metrics().misrouted(i, question.model(), a.pool());
          return retries.couldNotHold(i);
        });
  }

  private boolean forOneWithTheModel(Attempt a) {
    Instance i = a.instance();
    plane.instances().lacksModel(i);
    return to(retries.withModel(i, question, fleet()), a, who -> retries.lacksModel(i));
  }

  private boolean forOneWithTheRoute(Attempt a, Refusal why) {
    Instance i = a.instance();
    plane.instances().lacksRoute(i, question.part());
    return to(
        retries.withRoute(i, question, fleet()), a, who -> retries.lacksRoute(i, why.status()));
  }

  /// One of `others` is asked at once or when it has a place.
  ///
  /// @param allowed notes the answer that is left; false when it must stand
  private boolean to(Candidates others, Attempt from, Predicate<List<Instance>> allowed) {
    if (others.isEmpty()) {
      return false;
    }
    List<Instance> who = placement.wouldGet(others);
    if (who.isEmpty() || !allowed.test(who)) {
      return false;
    }
    from.giveUp();
    reply.drop();
    placement.follow(placement.choose(others), others);
    return true;
  }

  private Fleet fleet() {
    return plane.table().get().fleet();
  }
}
