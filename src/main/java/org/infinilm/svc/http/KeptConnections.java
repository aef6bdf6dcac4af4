package org.infinilm.svc.http;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Connections of one [Client] that wait for their next call, by server. Thread-safe.
final class KeptConnections {
  /// Of one server; more are closed when they are done.
  static final int MOST_IDLE = 16;

  private final Map<BaseUrl, Deque<ClientConnection>> idle = new HashMap<>();
  private final Duration longestIdle;
  private boolean closed;

  /// @param longestIdle a connection is closed that had no call for so long
  KeptConnections(Duration longestIdle) {
    this.longestIdle = longestIdle;
  }

  Duration longestIdle() {
    return longestIdle;
  }

  /// The one that was used last and was made with what `tls` says now; null when there is none.
  ///
  /// @param tls null for plain HTTP
  @Nullable ClientConnection take(BaseUrl server, @Nullable Tls tls) {
    List<ClientConnection> old = new ArrayList<>();
    ClientConnection found = null;
    synchronized (this) {
      Deque<ClientConnection> d = idle.get(server);
      while (found == null && d != null && !d.isEmpty()) {
        ClientConnection c = d.pop();
        if (c.isMadeWith(tls)) {
          found = c;
        } else {
          old.add(c);
        }
      }
      drop(server);
    }
    old.forEach(ClientConnection::close);
    return found;
  }

  /// @return false when it is not wanted
  synchronized boolean put(BaseUrl server, ClientConnection c) {
    if (closed) {
      return false;
    }
    Deque<ClientConnection> d = idle.computeIfAbsent(server, s -> new ArrayDeque<>());
    if (d.size() >= MOST_IDLE) {
      return false;
    }
    d.push(c);
    return true;
  }

  /// @return false when somebody has taken it
  synchronized boolean remove(BaseUrl server, ClientConnection c) {
    Deque<ClientConnection> d = idle.get(server);
    boolean was = d != null && d.remove(c);
    drop(server);
    return was;
  }

  /// Closes those of a server that fails.
  void forget(BaseUrl server) {
    Deque<ClientConnection> all;
    synchronized (this) {
      all = idle.remove(server);
    }
    if (all != null) {
      all.forEach(ClientConnection::close);
    }
  }

  /// Closes all, and each that comes later.
  void close() {
    List<ClientConnection> all = new ArrayList<>();
    synchronized (this) {
      closed = true;
      idle.values().forEach(all::addAll);
      idle.clear();
    }
    all.forEach(ClientConnection::close);
  }

  private void drop(BaseUrl server) {
    Deque<ClientConnection> d = idle.get(server);
    if (d != null && d.isEmpty()) {
      idle.remove(server);
    }
  }
}
