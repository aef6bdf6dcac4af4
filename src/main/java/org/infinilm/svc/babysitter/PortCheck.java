package org.infinilm.svc.babysitter;

import java.util.List;
import org.infinilm.svc.http.PortOwner;
import org.jspecify.annotations.Nullable;

/// Whether what listens on the server's port came from the process that was started here (Linux).
/// Thread-safe.
final class PortCheck {
  private final int port;
  private @Nullable Child known;
  private List<String> ours = List.of();

  PortCheck(int port) {
    this.port = port;
  }

  /// Who else listens there, for people; null when the listener is ours or cannot be told. Looks
  /// through all processes only when the listening socket is another one than last time.
  synchronized @Nullable String foreign(Child child) {
    List<String> sockets = PortOwner.sockets(port);
    if (sockets.isEmpty() || (child.equals(known) && sockets.equals(ours))) {
      return null;
    }
    List<Long> holders = PortOwner.holders(sockets);
    if (holders.isEmpty()) {
      // Another user's, whose descriptors cannot be seen; unless such a one came from ours.
      return child.isSeenWhole()
          ? "port "
              + port
              + " is held by a process of another user, which did not come from the process started"
              + " here (own_listener = false accepts it)"
          : null;
    }
    if (holders.stream().noneMatch(child::contains)) {
      return "port "
          + port
          + " is held by "
          + PortOwner.find(port).orElse("pid " + holders.getFirst())
          + ", which did not come from the process started here (own_listener = false accepts it)";
    }
    known = child;
    ours = List.copyOf(sockets);
    return null;
  }
}
