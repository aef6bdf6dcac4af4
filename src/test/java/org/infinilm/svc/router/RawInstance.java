package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// An instance made of sockets: answers probes by itself, everything else by a script of bytes.
final class RawInstance implements AutoCloseable {
  /// What it does with a request.
  interface Script {
    /// @param request its head, and its body if that has a Content-Length and is small
    void answer(String request, Socket s) throws Exception;
  }

  final ServerSocket server;
  final List<String> seen = new CopyOnWriteArrayList<>();
  final AtomicInteger connections = new AtomicInteger();
  private final String model;
  private final Wrap wrap;
  private final Script script;

  /// What is done with a connection before a byte of it is read.
  interface Wrap {
    Socket wrap(Socket s) throws IOException;
  }

  RawInstance(String model, Script script) throws IOException {
    this(model, s -> s, script);
  }

  RawInstance(String model, Wrap wrap, Script script) throws IOException {
    this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    this.model = model;
    this.wrap = wrap;
    this.script = script;
    Thread.ofVirtual().start(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  private void accept() {
    try {
      while (true) {
        Socket s = server.accept();
        Thread.ofPlatform().daemon().start(() -> serve(s));
      }
    } catch (IOException closed) {
      // the end
    }
  }

  private void serve(Socket accepted) {
    boolean counted = false;
    try (accepted;
        Socket s = wrap.wrap(accepted)) {
      for (String r = read(s.getInputStream()); !r.isEmpty(); r = read(s.getInputStream())) {
        if (r.startsWith("GET /health ") || r.startsWith("GET /v1/models ")) {
          String b = "{\"data\":[{\"id\":\"" + model + "\"}]}";
          write(s, "HTTP/1.1 200 OK\r\nContent-Length: " + b.length() + "\r\n\r\n" + b);
          continue;
        }
        if (!counted) {
          counted = true;
          connections.incrementAndGet();
        }
        seen.add(r);
        script.answer(r, s);
        if (s.isClosed() || s.isOutputShutdown()) {
          return;
        }
      }
    } catch (Exception gone) {
      // the router closed it
    }
  }

  /// One message: head, and body by its Content-Length, or its chunks as they came; empty at the
  /// end.
  static String read(InputStream in) throws IOException {
    StringBuilder b = new StringBuilder();
    while (b.indexOf("\r\n\r\n") < 0) {
      int c = in.read();
      if (c < 0) {
        return "";
      }
      b.append((char) c);
    }
    String head = b.toString().toLowerCase(Locale.ROOT);
    String field = "\r\ncontent-length: ";
    if (head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.startsWith("http/")) {
      return b + Talk.chunks(in);
    }
    int at = head.indexOf(field);
    if (at >= 0) {
      int from = at + field.length();
      int n = Integer.parseInt(head.substring(from, head.indexOf("\r\n", from)).strip());
      if (n < 1 << 20) {
        b.append(new String(in.readNBytes(n), ISO_8859_1));
      }
    }
    return b.toString();
  }

  static void write(Socket s, String bytes) throws IOException {
    OutputStream out = s.getOutputStream();
    out.write(bytes.getBytes(ISO_8859_1));
    out.flush();
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
