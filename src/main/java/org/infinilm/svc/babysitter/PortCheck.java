package org.infinilm.svc.babysitter;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongPredicate;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.http.PortOwner.Listener;
import org.jspecify.annotations.Nullable;

/// Whether all that listens on the server's port came from the process that was started here
/// (Linux). Thread-safe.
final class PortCheck {
  private static final String ACCEPT =
      ", which did not come from the process started here (own_listener = false accepts it)";

  private final int port;
  private @Nullable Child known;
  private List<Listener> ours = List.of();

  PortCheck(int port) {
    this.port = port;
  }

  /// Who else listens there, for people; null when the listeners are ours or cannot be told. Looks
  /// through all processes only when the listening sockets are others than last time.
  synchronized @Nullable String foreign(Child child) {
    List<Listener> listeners = PortOwner.listeners(port);
    if (listeners.isEmpty() || (child.equals(known) && listeners.equals(ours))) {
      return null;
    }
    Map<String, List<Long>> holders =
        PortOwner.holders(listeners.stream().map(Listener::socket).toList());
    Optional<Listener> foreign = foreign(listeners, holders, child::contains);
    if (foreign.isPresent()) {
      List<Long> theirs = holders.get(foreign.get().socket());
      if (theirs != null) {
        return "port " + port + " is held by " + PortOwner.name(theirs.getFirst()) + ACCEPT;
      }
      // Another user's, whose descriptors cannot be seen; unless such a one came from ours.
      return child.isSeenWhole()
          ? "port " + port + " is held by a process of another user" + ACCEPT
          : null;
    }
    known = child;
    ours = List.copyOf(listeners);
    return null;
  }

  /// A listener that takes requests meant for ours: one of no process of ours, where none is ours,
  /// or that shares an address with one of ours (`SO_REUSEPORT`), or stands before one of ours that
  /// listens on all addresses.
  static Optional<Listener> foreign(
      List<Listener> listeners, Map<String, List<Long>> holders, LongPredicate isOurs) {
    List<Listener> ours =
        listeners.stream()
            .filter(
                l -> holders.getOrDefault(l.socket(), List.of()).stream().anyMatch(isOurs::test))
            .toList();
    return listeners.stream()
        .filter(l -> !ours.contains(l))
        .filter(l ->
            ours.isEmpty()
                || ours.stream().anyMatch(o -> o.onAll() || o.address().equals(l.address())))
        .findFirst();
  }
}
