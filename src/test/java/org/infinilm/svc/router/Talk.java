package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.Locale;

/// One connection as a scripted instance sees it. Heads and bodies are ISO 8859-1 text, so that
/// every byte is one character.
final class Talk {
  private static final String PROBE_ANSWER =
      "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"data\":[{\"id\":\"m\"}]}\n";
  private static final int MOST_HEAD = 1 << 20;

  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  Talk(Socket socket) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream());
    this.out = socket.getOutputStream();
  }

  /// The next request's head, its empty line included; health checks and model lists are answered
  /// on the way.
  ///
  /// @throws EOFException when the peer closed between requests
  String head() throws IOException {
    while (true) {
      String head = anyHead();
      if (!head.startsWith("GET /health ") && !head.startsWith("GET /v1/models ")) {
        return head;
      }
      say(PROBE_ANSWER);
    }
  }

  /// The next head, health checks included.
  String anyHead() throws IOException {
    StringBuilder b = new StringBuilder();
    while (b.length() < 4 || b.indexOf("\r\n\r\n", b.length() - 4) < 0) {
      int c = in.read();
      if (c < 0) {
        throw new EOFException();
      }
      b.append((char) c);
      if (b.length() > MOST_HEAD) {
        throw new IOException("head without an end");
      }
    }
    return b.toString();
  }

  /// The body that belongs to the head: by its Content-Length, or its chunks as they came, trailers
  /// and empty line included.
  String body(String head) throws IOException {
    if (!field(head, "transfer-encoding", "").isEmpty()) {
      return chunks(in);
    }
    return new String(
        in.readNBytes(Integer.parseInt(field(head, "content-length", "0"))), ISO_8859_1);
  }

  static String chunks(InputStream in) throws IOException {
    StringBuilder b = new StringBuilder();
    while (true) {
      String line = line(in);
      b.append(line);
      int size = Integer.parseInt(line.strip(), 16);
      if (size == 0) {
        break;
      }
      b.append(new String(in.readNBytes(size + 2), ISO_8859_1));
    }
    String line;
    do {
      line = line(in);
      b.append(line);
    } while (line.length() > 2);
    return b.toString();
  }

  private static String line(InputStream in) throws IOException {
    StringBuilder b = new StringBuilder();
    for (int c = in.read(); c >= 0; c = in.read()) {
      b.append((char) c);
      if (c == '\n') {
        return b.toString();
      }
    }
    throw new EOFException();
  }

  /// The value of a field of a head, or `otherwise`.
  static String field(String head, String name, String otherwise) {
    String lower = head.toLowerCase(Locale.ROOT);
    int at = lower.indexOf("\r\n" + name + ":");
    if (at < 0) {
      return otherwise;
    }
    int start = at + name.length() + 3;
    return head.substring(start, head.indexOf("\r\n", start)).strip();
  }

  void say(String s) throws IOException {
    out.write(s.getBytes(ISO_8859_1));
    out.flush();
  }

  /// Says it byte by byte, each after a pause.
  void drip(String s, int pauseMillis) throws IOException, InterruptedException {
    for (int k = 0; k < s.length(); k++) {
      out.write(s.charAt(k));
      out.flush();
      Thread.sleep(pauseMillis);
    }
  }

  /// Waits until the peer is gone.
  void hang() throws IOException {
    while (in.read() >= 0) {
      // what still comes is not looked at
    }
  }

  void reset() throws IOException {
    socket.setSoLinger(true, 0);
    socket.close();
  }

  void close() throws IOException {
    socket.close();
  }
}
