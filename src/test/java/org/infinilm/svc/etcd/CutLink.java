package org.infinilm.svc.etcd;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;

/// A piece of network between somebody and one address, which can be cut, or swallow everything
/// without a word.
public final class CutLink implements AutoCloseable {
  private static final int MANY = 1 << 20;

  private final ServerSocket listener;
  private final int to;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final Semaphore flows = new Semaphore(MANY);
  private volatile boolean cut;

  /// @param to the port on loopback that is behind it
  public CutLink(int to) throws IOException {
    this.to = to;
    this.listener = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  public String address() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  private void accept() {
    try {
      while (true) {
        Socket in = listener.accept();
        open.add(in);
        if (cut) {
          in.close();
          continue;
        }
        Socket out = new Socket();
        open.add(out);
        Thread.ofVirtual()
            .start(() -> {
              try {
                out.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), to), 5000);
                Thread.ofVirtual().start(() -> copy(out, in));
                copy(in, out);
              } catch (IOException e) {
                shut(in);
              }
            });
      }
    } catch (IOException closed) {
      // the end of the test
    }
  }

  private void copy(Socket from, Socket into) {
    byte[] buffer = new byte[1 << 14];
    try (from;
        into) {
      InputStream in = from.getInputStream();
      OutputStream out = into.getOutputStream();
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        flows.acquire();
        flows.release();
        out.write(buffer, 0, n);
      }
    } catch (IOException e) {
      // both ends go
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      open.remove(from);
    }
  }

  /// Nothing comes through any more, and nobody is told.
  public void stall() throws InterruptedException {
    flows.acquire(MANY);
  }

  public void flow() {
    flows.release(MANY);
  }

  /// Ends all connections and takes no new ones.
  public void cut() {
    cut = true;
    open.forEach(CutLink::shut);
  }

  public void mend() {
    cut = false;
  }

  private static void shut(Socket s) {
    try {
      s.close();
    } catch (IOException e) {
      // it is closed
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    cut();
    flows.release(MANY);
  }
}
