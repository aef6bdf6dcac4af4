package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/// A proxy in front of a router: takes a path away, has a Host of its own, says for whom it asks.
/// One request a connection.
final class PathProxy implements AutoCloseable {
  private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  private final String path;
  private final String host;
  private final int router;

  PathProxy(String path, String host, int router) throws IOException {
    this.path = path;
    this.host = host;
    this.router = router;
    Thread.ofVirtual()
        .start(() -> {
          try {
            while (true) {
              Socket s = listener.accept();
              Thread.ofVirtual().start(() -> serve(s));
            }
          } catch (IOException closed) {
            // the end
          }
        });
  }

  int port() {
    return listener.getLocalPort();
  }

  private void serve(Socket client) {
    try (client;
        Socket up = new Socket(InetAddress.getLoopbackAddress(), router)) {
      InputStream in = client.getInputStream();
      String head =
          head(in)
              .replaceFirst(" " + path + "/", " /")
              .replaceFirst("(?i)\r\nHost: [^\r]*", "\r\nHost: " + host)
              .replaceFirst("(?i)\r\nConnection: [^\r]*", "")
              .replaceFirst(
                  "\r\n\r\n$", "\r\nX-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n\r\n");
      OutputStream out = up.getOutputStream();
      out.write(head.getBytes(ISO_8859_1));
      Thread.ofVirtual().start(() -> copy(in, out));
      copy(up.getInputStream(), client.getOutputStream());
    } catch (IOException gone) {
      // one of both has left
    }
  }

  private static String head(InputStream in) throws IOException {
    ByteArrayOutputStream read = new ByteArrayOutputStream();
    for (int b = in.read(); b >= 0; b = in.read()) {
      read.write(b);
      if (b == '\n' && read.toString(ISO_8859_1).endsWith("\r\n\r\n")) {
        break;
      }
    }
    return read.toString(ISO_8859_1);
  }

  private static void copy(InputStream from, OutputStream to) {
    try {
      byte[] some = new byte[8192];
      for (int n = from.read(some); n >= 0; n = from.read(some)) {
        to.write(some, 0, n);
        to.flush();
      }
    } catch (IOException gone) {
      // one of both has left
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }
}
