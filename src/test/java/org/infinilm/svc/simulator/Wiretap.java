package org.infinilm.svc.simulator;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;

/// One exchange over a plain socket: every byte that came, and how it ended.
record Wiretap(String bytes, End end) {
  enum End {
    CLOSED,
    RESET,
    SILENT
  }

  /// Sends a POST with `connection: close` and reads until the end, or until nothing comes for
  /// `patienceMillis`.
  static Wiretap post(
      SimulatedInstance to, String path, String json, int patienceMillis, String... headers)
      throws IOException {
    try (Socket s = open(to, path, json, headers)) {
      s.setSoTimeout(patienceMillis);
      ByteArrayOutputStream in = new ByteArrayOutputStream();
      byte[] buffer = new byte[8192];
      End end;
      while (true) {
        try {
          int n = s.getInputStream().read(buffer);
          if (n < 0) {
            end = End.CLOSED;
            break;
          }
          in.write(buffer, 0, n);
        } catch (SocketTimeoutException e) {
          end = End.SILENT;
          break;
        } catch (IOException e) {
          end = End.RESET;
          break;
        }
      }
      return new Wiretap(in.toString(ISO_8859_1), end);
    }
  }

  static Socket open(SimulatedInstance to, String path, String json, String... headers)
      throws IOException {
    Socket s = new Socket("127.0.0.1", to.port());
    byte[] body = json.getBytes(UTF_8);
    StringBuilder head =
        new StringBuilder("POST " + path + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (String h : headers) {
      head.append(h).append("\r\n");
    }
    head.append("content-type: application/json\r\ncontent-length: " + body.length + "\r\n\r\n");
    s.getOutputStream().write(head.toString().getBytes(ISO_8859_1));
    s.getOutputStream().write(body);
    s.getOutputStream().flush();
    return s;
  }
}
