package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// The supervised server of these tests: `PORT [ignore-term] [descendant=PIDFILE] [no-models]`.
/// `/exit` ends it, `/break` turns its health to 503.
final class FakeBackend {
  private static volatile boolean broken;

  private FakeBackend() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    List<String> options = List.of(args);
    if (options.contains("ignore-term")) {
      Runtime.getRuntime().addShutdownHook(new Thread(FakeBackend::hang));
    }
    for (String o : options) {
      if (o.startsWith("descendant=")) {
        Process p = new ProcessBuilder("setsid", "sleep", "600").start();
        Files.writeString(Path.of(o.substring("descendant=".length())), "" + p.pid());
      }
    }
    System.out.write(new byte[] {'r', 'a', 'w', (byte) 0xff, (byte) 0xc0, '\n'});
    System.out.flush();
    System.err.println("key is " + System.getenv("FAKE_KEY"));
    try (ServerSocket server = new ServerSocket()) {
      server.bind(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[0])));
      while (true) {
        try (Socket s = server.accept()) {
          answer(s, options);
        } catch (IOException gone) {
          // the next one
        }
      }
    }
  }

  private static void hang() {
    try {
      Thread.sleep(Duration.ofMinutes(10));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void answer(Socket s, List<String> options) throws IOException {
    s.setSoTimeout(2000);
    InputStream in = s.getInputStream();
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int b = in.read();
      if (b < 0) {
        return;
      }
      head.append((char) b);
    }
    String path = head.toString().split(" ")[1];
    int status = 200;
    String body = "{\"status\":\"healthy\"}";
    switch (path) {
      case "/health" -> status = broken ? 503 : 200;
      case "/break" -> broken = true;
      case "/exit" -> Runtime.getRuntime().halt(7);
      case "/v1/models" -> {
        status = options.contains("no-models") ? 404 : 200;
        body = "{\"data\":[{\"id\":\"m1\",\"max_model_len\":4096}],\"object\":\"list\"}";
      }
      default -> status = 404;
    }
    OutputStream out = s.getOutputStream();
    out.write(
        ("HTTP/1.1 "
                + status
                + " X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                + body.length()
                + "\r\n\r\n"
                + body)
            .getBytes(StandardCharsets.ISO_8859_1));
    out.flush();
  }
}
