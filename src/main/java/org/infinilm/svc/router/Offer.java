package org.infinilm.svc.router;

import org.infinilm.svc.policy.Load;

/// Which instances may be asked for a request now, and which not before when: of all its requests
/// ([Seats]), or of one part of them ([PartOffer]). Policies choose by it, and who waits looks
/// again by it.
interface Offer extends Load {
  /// How long it still is passed over, in nanoseconds; 0 when it is not.
  long passedOverNanos(int slot);

  /// Whether others are asked first for this part of the requests alone.
  default boolean isForPart(int slot) {
    return false;
  }

  /// Whether it is known to have not the route of these requests.
  default boolean lacksRoute(int slot) {
    return false;
  }
}
