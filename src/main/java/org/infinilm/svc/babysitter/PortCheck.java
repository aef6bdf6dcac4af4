package org.infinilm.svc.babysitter;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongPredicate;
import java.util.regex.Pattern;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.http.PortOwner.Listener;
import org.jspecify.annotations.Nullable;

/// Whether all that takes requests meant for the server came from the process that was started here
/// (Linux). Thread-safe.
final class PortCheck {
  private static final Pattern NUMERIC = Pattern.compile("[0-9.]+|.*:.*");
  private static final String ACCEPT =
      ", which did not come from the process started here (own_listener = false accepts it)";

  private final int port;
  private final List<String> hosts;
  private @Nullable Child known;
  private List<Listener> ours = List.of();

  /// @param addresses whose server is asked at one, and registered at another
  PortCheck(int port, Addresses addresses) {
    this.port = port;
    this.hosts = List.of(addresses.probe(), addresses.advertise());
  }

  /// Who else listens there, for people; null when the listeners are ours or cannot be told. Looks
  /// through all processes only when the listening sockets are others than last time.
  synchronized @Nullable String foreign(Child child) {
    List<Listener> listeners = PortOwner.listeners(port);
    if (listeners.isEmpty() || (child.equals(known) && listeners.equals(ours))) {
      return null;
    }
    Optional<Map<String, List<Long>>> seen =
        PortOwner.holders(listeners.stream().map(Listener::socket).toList());
    if (seen.isEmpty()) {
      return null;
    }
    Map<String, List<Long>> holders = seen.get();
    Optional<Listener> foreign = foreign(listeners, holders, child::contains, asked());
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

  /// What each host stands for here, in the order in which clients try them. Names other than
  /// `localhost` are not looked up: that may take long, and the answer may be another one for those
  /// who ask.
  private List<List<InetAddress>> asked() {
    List<List<InetAddress>> out = new ArrayList<>();
    for (String host : hosts) {
      if (host.equalsIgnoreCase("localhost") || NUMERIC.matcher(host).matches()) {
        try {
          out.add(List.of(InetAddress.getAllByName(host)));
        } catch (UnknownHostException noAddress) {
          // the listeners alone are looked at
        }
      }
    }
    return out;
  }

  /// A listener that takes requests meant for ours: one of no process of ours that is reached at an
  /// address where the server is asked, or where none is ours, or that shares an address with one
  /// of ours (`SO_REUSEPORT`), or stands before one of ours that listens on all addresses.
  ///
  /// @param asked for each host its addresses; the first where somebody listens counts
  static Optional<Listener> foreign(
      List<Listener> listeners,
      Map<String, List<Long>> holders,
      LongPredicate isOurs,
      List<List<InetAddress>> asked) {
    List<Listener> ours =
        listeners.stream()
            .filter(
                l -> holders.getOrDefault(l.socket(), List.of()).stream().anyMatch(isOurs::test))
            .toList();
    Set<Listener> reached = new HashSet<>();
    for (List<InetAddress> host : asked) {
      host.stream()
          .map(a -> PortOwner.reached(listeners, a))
          .filter(there -> !there.isEmpty())
          .findFirst()
          .ifPresent(reached::addAll);
    }
    return listeners.stream()
        .filter(l -> !ours.contains(l))
        .filter(l ->
            ours.isEmpty()
                || reached.contains(l)
                || ours.stream().anyMatch(o -> o.onAll() || o.address().equals(l.address())))
        .findFirst();
  }
}
