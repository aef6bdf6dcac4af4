import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Times of HTTP requests to several ports in turns: each client sends one request to each port, one after the other, over kept
/// connections, then pauses. Prints one line a port: name, requests, and microseconds at 50, 90, 99 and 99.9 %.
///
///     java Turns.java BODY_BYTES CLIENTS ROUNDS WARM_ROUNDS PAUSE_MILLIS NAME=PORT...
public final class Turns {
  private record Target(String name, int port) {}

  /// One kept connection.
  private static final class Connection {
    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;
    private final byte[] buffer = new byte[1 << 16];

    Connection(int port) throws IOException {
      socket = new Socket(InetAddress.getLoopbackAddress(), port);
      socket.setTcpNoDelay(true);
      in = socket.getInputStream();
      out = socket.getOutputStream();
    }

    long ask(byte[] request) throws IOException {
      long began = System.nanoTime();
      out.write(request);
      int have = 0;
      while (true) {
        int n = in.read(buffer, have, buffer.length - have);
        if (n < 0) {
          throw new IOException("closed after " + have + " bytes");
        }
        have += n;
        if (isWhole(have)) {
          long took = System.nanoTime() - began;
          if (!new String(buffer, 0, 12, StandardCharsets.ISO_8859_1).equals("HTTP/1.1 200")) {
            throw new IOException(new String(buffer, 0, Math.min(have, 500), StandardCharsets.ISO_8859_1));
          }
          return took;
        }
      }
    }

    private boolean isWhole(int have) {
      String s = new String(buffer, 0, have, StandardCharsets.ISO_8859_1);
      int head = s.indexOf("\r\n\r\n");
      if (head < 0) {
        return false;
      }
      int length = s.indexOf("content-length: ");
      if (length >= 0 && length < head) {
        int n = Integer.parseInt(s.substring(length + 16, s.indexOf('\r', length)));
        return have >= head + 4 + n;
      }
      return s.endsWith("0\r\n\r\n");
    }
  }

  private static byte[] request(int bytes) {
    String body =
        "{\"model\":\"m\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"" + "word ".repeat(Math.max(1, bytes / 5)) + "\"}]}";
    return ("POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: " + body.length() + "\r\n\r\n" + body)
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  public static void main(String[] args) throws Exception {
    byte[] request = request(Integer.parseInt(args[0]));
    int clients = Integer.parseInt(args[1]);
    int rounds = Integer.parseInt(args[2]);
    int warm = Integer.parseInt(args[3]);
    int pause = Integer.parseInt(args[4]);
    Target[] targets =
        Arrays.stream(args).skip(5).map(a -> a.split("=")).map(a -> new Target(a[0], Integer.parseInt(a[1]))).toArray(Target[]::new);
    long[][] nanos = new long[targets.length][clients * rounds];
    Thread[] threads = new Thread[clients];
    Throwable[] failed = new Throwable[1];
    for (int c = 0; c < clients; c++) {
      int client = c;
      threads[c] =
          new Thread(() -> {
            try {
              Connection[] to = new Connection[targets.length];
              for (int t = 0; t < to.length; t++) {
                to[t] = new Connection(targets[t].port());
              }
              for (int r = -warm; r < rounds; r++) {
                for (int t = 0; t < to.length; t++) {
                  int k = (t + r + warm) % to.length;
                  long took = to[k].ask(request);
                  if (r >= 0) {
                    nanos[k][client * rounds + r] = took;
                  }
                }
                if (pause > 0) {
                  Thread.sleep(pause);
                }
              }
            } catch (IOException | InterruptedException | RuntimeException e) {
              failed[0] = e;
            }
          });
      threads[c].start();
    }
    for (Thread t : threads) {
      t.join();
    }
    if (failed[0] != null) {
      System.err.println(failed[0].getMessage());
      System.exit(1);
    }
    for (int t = 0; t < targets.length; t++) {
      long[] n = nanos[t];
      Arrays.sort(n);
      System.out.printf(
          "%s %d %d %d %d %d%n", targets[t].name(), n.length, at(n, 0.5), at(n, 0.9), at(n, 0.99), at(n, 0.999));
    }
  }

  private static long at(long[] sorted, double q) {
    return sorted[(int) Math.min(sorted.length - 1, Math.round(q * sorted.length))] / 1000;
  }
}
