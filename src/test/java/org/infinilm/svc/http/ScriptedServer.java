package org.infinilm.svc.http;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/// A server that does with each connection what a test says, byte for byte.
public final class ScriptedServer implements AutoCloseable {
  /// One connection.
  public static final class Link implements Closeable {
    private final Socket socket;

    /// Whether the other side has ended it, or we have.
    private volatile boolean ended;

    Link(Socket socket) {
      this.socket = socket;
    }

    /// The path of the next request, whose body is read to its end; null at the end.
    public String request() throws IOException {
      InputStream in = socket.getInputStream();
      ByteArrayOutputStream head = new ByteArrayOutputStream();
      while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
        int b = in.read();
        if (b < 0) {
          ended = true;
          return null;
        }
        head.write(b);
      }
      String text = head.toString(StandardCharsets.ISO_8859_1);
      text.lines()
          .map(l -> l.toLowerCase(Locale.ROOT))
          .filter(l -> l.startsWith("content-length:"))
          .mapToInt(l -> Integer.parseInt(l.substring(15).strip()))
          .findFirst()
          .ifPresent(n -> skip(in, n));
      return text.split(" ", 3)[1];
    }

    private static void skip(InputStream in, int n) {
      try {
        in.skipNBytes(n);
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }

    public void write(String bytes) throws IOException {
      socket.getOutputStream().write(bytes.getBytes(StandardCharsets.UTF_8));
    }

    public void answer(String body) throws IOException {
      write("HTTP/1.1 200 OK\r\ncontent-length: " + body.length() + "\r\n\r\n" + body);
    }

    /// Answers until the other side ends it.
    public void serve(String body) throws IOException {
      while (request() != null) {
        answer(body);
      }
    }

    /// Waits until the other side ends it.
    public void awaitEnd() throws IOException {
      try {
        socket.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
      } finally {
        ended = true;
      }
    }

    /// Ends it with a reset.
    public void reset() throws IOException {
      socket.setSoLinger(true, 0);
      close();
    }

    /// Waits until what was written is with the other side.
    public void awaitDelivered() {
      Loopback.awaitDelivered(socket.getLocalPort(), socket.getPort());
    }

    /// Waits until the other side's kernel knows that it has ended.
    public void awaitEnded(int serverPort) {
      Loopback.awaitEnded(socket.getPort(), serverPort);
    }

    public boolean isEnded() {
      return ended;
    }

    @Override
    public void close() throws IOException {
      ended = true;
      socket.close();
    }
  }

  /// What is done with a connection; it is closed afterwards.
  public interface Script {
    /// @param number from 0, in the order in which they came
    void play(int number, Link link) throws Exception;
  }

  private final ServerSocket listener;
  private final Script script;
  private final List<Link> links = new CopyOnWriteArrayList<>();
  private volatile boolean closed;

  public ScriptedServer(Script script) throws IOException {
    this.script = script;
    this.listener = new ServerSocket(0, 200, InetAddress.getLoopbackAddress());
    Thread.ofPlatform().daemon().name("scripted-server").start(this::accept);
  }

  private void accept() {
    try {
      while (true) {
        Link link = new Link(listener.accept());
        int number = links.size();
        links.add(link);
        if (closed) {
          // it came while the listener was being closed
          link.close();
          return;
        }
        Thread.ofVirtual().start(() -> play(number, link));
      }
    } catch (IOException end) {
      // of the test
    }
  }

  private void play(int number, Link link) {
    try (link) {
      script.play(number, link);
    } catch (Exception e) {
      // the other side ended it, or the test did
    }
  }

  public String address() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  /// All connections that came.
  public int port() {
    return listener.getLocalPort();
  }

  public List<Link> links() {
    return links;
  }

  public long open() {
    return links.stream().filter(l -> !l.isEnded()).count();
  }

  @Override
  public void close() throws IOException {
    closed = true;
    listener.close();
    for (Link l : links) {
      l.close();
    }
  }
}
