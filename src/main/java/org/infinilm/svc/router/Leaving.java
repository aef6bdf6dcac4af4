package org.infinilm.svc.router;

import java.util.List;
import java.util.function.Predicate;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Choice;

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
    return retries.mayPutAside(question, head.status())
        && to(retries.besides(i, question, fleet()), a, who -> retries.pay(question, i, head, who));
  }

  /// Asks another instance where an answer says that this one cannot hold the prompt (the estimate
  /// of its tokens was too low), or has not the model that it lists, or the route.
  boolean afterRefusal(Attempt a, Refusal why) {
    Instance i = a.instance();
    if (why.isForLength() && question.generation()) {
      return instead(
          a,
          retries.larger(i, question, fleet()),
          retries.hasLarger(i, question, fleet()),
          () -> {
            plane.metrics().misrouted(i, question.model(), a.pool());
            retries.couldNotHold(i);
          });
    }
    if (why.isForModel()) {
      plane.instances().lacksModel(i);
      return instead(
          a,
          retries.besides(i, question, fleet()),
          retries.hasWithModel(i, question, fleet()),
          () -> retries.lacksModel(i));
    }
    if (why.isForRoute(question.generation())) {
      plane.instances().lacksRoute(i, question.part());
      return instead(
          a,
          retries.withRoute(i, question, fleet()),
          retries.hasWithRoute(i, question, fleet()),
          () -> retries.lacksRoute(i, why.status()));
    }
    // Another may have what this one has not; that it has it not may be true, and is its answer.
    return why.isForOther()
        && retries.mayAskMore()
        && to(retries.besides(i, question, fleet()), a, who -> retries.lacksThing(i, why.status()));
  }

  /// One of `others` is asked at once or when it has a place. Where there is no place for it among
  /// them, or they are out of service, the client is told that: the answer would be final to it.
  ///
  /// @param elsewhere whether there is one that may take it, in whatever state
  /// @param note notes the answer that is left
  private boolean instead(Attempt from, Candidates others, boolean elsewhere, Runnable note) {
    if (!retries.mayAskMore() || !elsewhere) {
      return false;
    }
    if (!others.isEmpty() && placement.look(others) instanceof Choice.Refuse) {
      return false;
    }
    note.run();
    leave(from);
    if (others.isEmpty()) {
      placement.none(question.nobody());
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

  private void leave(Attempt from) {
    from.giveUp();
    reply.drop();
  }

  private Fleet fleet() {
    return plane.table().get().fleet();
  }
}
