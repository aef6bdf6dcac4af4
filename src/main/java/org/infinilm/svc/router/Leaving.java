package org.infinilm.svc.router;

import java.util.List;
import java.util.function.Predicate;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.router.Retries.Why;
import org.jspecify.annotations.Nullable;

/// Leaves the instance that answers one request for another that may do better, as long as the
/// client has nothing of the answer. Event-loop confined.
///
/// Where it says that it left, another attempt is under way or stands in line already, or the
/// client has been told why there is none.
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
    boolean left = retries.mayPutAside(question, head.status()) && putAside(a, head);
    if (!left && retries.wantsAnother(i, question, head)) {
      placement.wakes(retries.asleep(question, fleet()));
    }
    return left;
  }

  private boolean putAside(Attempt a, ResponseHead head) {
    Instance i = a.instance();
    Predicate<List<Instance>> pays = who -> retries.pay(question, i, head, who);
    return to(retries.inService(i, question, fleet()), a, pays)
        || toWhoSleeps(a, pays)
        || to(retries.besides(i, question, fleet()), a, pays);
  }

  /// Asks another instance where an answer says that this one cannot hold the prompt (the estimate
  /// of its tokens was too low), or has not the model that it lists, or the route, or something
  /// else that the request names.
  boolean afterRefusal(Attempt a, Refusal said) {
    Why lack = lack(said);
    if (lack == null) {
      return false;
    }
    Instance i = a.instance();
    if (lack == Why.LACKS_MODEL) {
      plane.instances().lacksModel(i);
    } else if (lack == Why.LACKS_ROUTE) {
      plane.instances().lacksRoute(i, question.part());
    }
    if (!retries.mayAskMore()) {
      return false;
    }
    Candidates others = retries.able(i, lack, question, fleet());
    if (lack == Why.LACKS_THING) {
      // that there is no such thing may be true, and is its answer
      return to(
          others,
          a,
          who -> {
            retries.lacks(i, lack, said.status());
            return true;
          });
    }
    return retries.isElsewhere(i, lack, question, fleet())
        && instead(a, others, lack, said.status());
  }

  private @Nullable Why lack(Refusal said) {
    if (said.isForLength()) {
      return question.route() == Route.OTHER ? null : Why.TOO_SMALL;
    }
    if (said.isForModel()) {
      return Why.LACKS_MODEL;
    }
    if (said.isForRoute()) {
      return Why.LACKS_ROUTE;
    }
    return said.isForOther() ? Why.LACKS_THING : null;
  }

  /// One of `others` is asked at once or when it has a place. Where there is no place for it among
  /// them, or they are out of service, the client is told that: the answer would be final to it.
  private boolean instead(Attempt from, Candidates others, Why lack, int status) {
    Instance i = from.instance();
    if (lack == Why.TOO_SMALL) {
      plane.metrics().misrouted(i, question.model(), from.pool());
    }
    retries.lacks(i, lack, status);
    leave(from);
    if (placement.holds(others)) {
      return true;
    }
    if (others.isEmpty() || placement.look(others) instanceof Choice.Refuse) {
      if (!placement.waitsForWhoSleeps(others)) {
        placement.none(question.nobody());
      }
    } else {
      placement.follow(placement.choose(others), others);
    }
    return true;
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
    leave(from);
    placement.follow(placement.choose(others), others);
    return true;
  }

  /// One that sleeps is waited for, where nobody in service is left to ask.
  ///
  /// @param allowed as above
  private boolean toWhoSleeps(Attempt from, Predicate<List<Instance>> allowed) {
    List<Instance> who = placement.mayWait() ? retries.asleep(question, fleet()) : List.of();
    if (who.isEmpty() || !allowed.test(who)) {
      return false;
    }
    leave(from);
    placement.chooseAgain();
    return true;
  }

  private void leave(Attempt from) {
    from.giveUp();
    reply.drop();
  }

  private Fleet fleet() {
    return plane.table().get().fleet();
  }
}
