package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/// Clients that each send one request after another over a kept connection, as SDKs do, and note
/// every answer that is not a whole 200.
final class Crowd implements AutoCloseable {
  private static final int READ_MILLIS = 60_000;

  private final int port;
  private final String request;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final List<Future<Void>> running = new ArrayList<>();
  final AtomicInteger sent = new AtomicInteger();
  final AtomicInteger whole = new AtomicInteger();

  /// Answers that were no 200 or had no head: the client had nothing of an answer before it failed.
  final ConcurrentLinkedQueue<Said> failed = new ConcurrentLinkedQueue<>();

  /// Answers that began as 200 and broke.
  final ConcurrentLinkedQueue<Said> broken = new ConcurrentLinkedQueue<>();

  Crowd(int port, String request) {
    this.port = port;
    this.request = request;
  }

  /// Starts `clients`, each for `each` requests.
  Crowd start(int clients, int each) {
    for (int k = 0; k < clients; k++) {
      int[] left = {each};
      running.add(threads.submit(client(() -> left[0]-- > 0)));
    }
    return this;
  }

  /// Starts `clients` that go on while it holds.
  Crowd startWhile(int clients, BooleanSupplier goOn) {
    for (int k = 0; k < clients; k++) {
      running.add(threads.submit(client(goOn)));
    }
    return this;
  }

  private Callable<Void> client(BooleanSupplier goOn) {
    return () -> {
      Socket s = null;
      InputStream in = InputStream.nullInputStream();
      try {
        while (goOn.getAsBoolean()) {
          if (s == null) {
            s = new Socket("127.0.0.1", port);
            s.setSoTimeout(READ_MILLIS);
            s.setTcpNoDelay(true);
            in = new BufferedInputStream(s.getInputStream());
          }
          Said said = one(s, in);
          if (!said.ok() || said.field("connection").equalsIgnoreCase("close")) {
            s.close();
            s = null;
          }
        }
      } finally {
        if (s != null) {
          s.close();
        }
      }
      return null;
    };
  }

  private Said one(Socket s, InputStream in) {
    sent.incrementAndGet();
    Said said;
    try {
      s.getOutputStream().write(request.getBytes(ISO_8859_1));
      said = Said.read(in);
    } catch (IOException unsent) {
      said = new Said(0, "", "", Said.End.RESET);
    }
    if (said.ok()) {
      whole.incrementAndGet();
    } else if (said.status() == 200) {
      broken.add(said);
    } else {
      failed.add(said);
    }
    return said;
  }

  /// Waits for all of them.
  Crowd join() throws Exception {
    for (Future<Void> f : running) {
      f.get();
    }
    running.clear();
    return this;
  }

  /// Waits until so many more requests were answered whole.
  void more(int requests) {
    int before = whole.get();
    await()
        .atMost(Rig.SOON)
        .untilAsserted(
            () -> assertThat(whole.get()).as("%s", this).isGreaterThanOrEqualTo(before + requests));
  }

  @Override
  public String toString() {
    return "sent %d, whole %d, broken %d, failed %s"
        .formatted(sent.get(), whole.get(), broken.size(), failed);
  }

  @Override
  public void close() {
    threads.shutdownNow();
    threads.close();
  }
}
