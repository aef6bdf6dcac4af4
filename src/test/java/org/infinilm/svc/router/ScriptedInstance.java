package org.infinilm.svc.router;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.LowPorts;

/// An instance of raw sockets that does with each connection what its script says, and a babysitter
/// at port + 1 that says "healthy" whatever happens.
final class ScriptedInstance implements AutoCloseable {
  /// What happens to one connection.
  interface Script {
    void serve(ScriptedInstance self, Talk t) throws Exception;
  }

  /// What is said to the n-th request (from 1) of the instance.
  interface Reply {
    String to(String request, int n) throws Exception;
  }

  /// Reads a request and closes without a byte.
  static final Script CLOSES =
      (self, t) -> {
        self.take(t);
        t.close();
      };

  private static final String HEALTHY =
      "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":\"healthy\"}";
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final int BACKLOG = 511;
  private static final int MOST_FILLERS = 64;

  final String name;

  /// Requests that were read whole: head and body.
  final List<String> seen = new CopyOnWriteArrayList<>();

  final AtomicInteger connections = new AtomicInteger();

  /// Times that the babysitter was asked.
  final AtomicInteger healthChecks = new AtomicInteger();

  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final Set<Socket> fillers = ConcurrentHashMap.newKeySet();
  private final ServerSocket management;
  private final int port;
  private volatile Script script;
  private volatile ServerSocket data;

  ScriptedInstance(String name, Script script) throws IOException {
    this.name = name;
    this.script = script;
    ServerSocket[] two = adjacent();
    data = two[0];
    management = two[1];
    port = data.getLocalPort();
    accept(data, this::serve);
    accept(
        management,
        s -> {
          Talk t = new Talk(s);
          while (t.anyHead().startsWith("GET /health ")) {
            healthChecks.incrementAndGet();
            t.say(HEALTHY);
          }
        });
  }

  private static ServerSocket[] adjacent() throws IOException {
    while (true) {
      int port = LowPorts.two();
      ServerSocket first = listener(port, BACKLOG);
      try {
        return new ServerSocket[] {first, listener(port + 1, BACKLOG)};
      } catch (BindException taken) {
        first.close();
      }
    }
  }

  private static ServerSocket listener(int port, int backlog) throws IOException {
    ServerSocket s = new ServerSocket();
    s.setReuseAddress(true);
    s.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), backlog);
    return s;
  }

  /// The same port again; the one who accepted there may need a moment to let go of it.
  static ServerSocket again(int port, int backlog) {
    return await()
        .atMost(Duration.ofSeconds(20))
        .ignoreException(BindException.class)
        .until(() -> listener(port, backlog), Objects::nonNull);
  }

  /// What a connection is used for.
  private interface Use {
    void of(Socket s) throws Exception;
  }

  private void accept(ServerSocket from, Use use) {
    Thread.ofVirtual()
        .start(() -> {
          try {
            while (true) {
              Socket s = from.accept();
              open.add(s);
              Thread.ofVirtual().start(() -> use(s, use));
            }
          } catch (IOException closed) {
            // the end of this listener
          }
        });
  }

  private void use(Socket s, Use use) {
    try (s) {
      use.of(s);
    } catch (Exception gone) {
      // the peer closed it, or the script did
    } finally {
      open.remove(s);
    }
  }

  private void serve(Socket s) throws Exception {
    connections.incrementAndGet();
    script.serve(this, new Talk(s));
  }

  /// Reads each request and answers it.
  static Script answering(Reply reply) {
    return (self, t) -> {
      while (true) {
        String request = self.take(t);
        t.say(reply.to(request, self.seen.size()));
      }
    };
  }

  /// The next request of a connection, noted.
  String take(Talk t) throws IOException {
    String head = t.head();
    String request = head + t.body(head);
    seen.add(request);
    return request;
  }

  int port() {
    return port;
  }

  /// Connections that are open at this moment.
  int open() {
    return open.size();
  }

  /// From the next connection on.
  void script(Script other) {
    script = other;
  }

  /// The engine dies: nothing listens, open connections are reset. The babysitter stays.
  void dies() throws IOException {
    data.close();
    await().atMost(SOON).until(this::refuses);
    for (Socket s : new ArrayList<>(open)) {
      if (s.getLocalPort() == port) {
        s.setSoLinger(true, 0);
        s.close();
      }
    }
  }

  /// A listener that another thread accepts on is closed a moment after `close` returns.
  private boolean refuses() {
    try {
      new Socket(InetAddress.getLoopbackAddress(), port).close();
      return false;
    } catch (IOException refused) {
      return true;
    }
  }

  /// The engine is back.
  void returns() throws IOException {
    data = again(port, BACKLOG);
    accept(data, this::serve);
  }

  /// Nothing is accepted and the kernel drops what asks: the listener's queue is full.
  void blackHole() throws IOException {
    dies();
    data = again(port, 1);
    for (int k = 0; k < MOST_FILLERS; k++) {
      Socket s = new Socket();
      fillers.add(s);
      try {
        s.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 300);
      } catch (IOException full) {
        return;
      }
    }
    throw new IOException("the queue of port " + port + " does not fill");
  }

  @Override
  public void close() throws IOException {
    data.close();
    management.close();
    for (Set<Socket> all : List.of(open, fillers)) {
      for (Socket s : all) {
        s.close();
      }
    }
  }
}
