package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Loopback;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Bytes that an instance sends over an idle connection, just before that is used again, while the
/// router's loop stands still.
class EarlyBytesIT {
  private static final String EVIL =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nEVIL";

  private final Gate gate = new Gate();
  private final List<Socket> chats = new CopyOnWriteArrayList<>();
  private ServerSocket instance;
  private Rig rig;

  /// A clock at which the event loop of the data plane can be held.
  private static final class Gate implements Ticker {
    private volatile boolean closed;
    final CountDownLatch held = new CountDownLatch(1);
    final CountDownLatch open = new CountDownLatch(1);

    void close() {
      closed = true;
    }

    @Override
    public long nanos() {
      if (closed && Thread.currentThread().getName().startsWith("data")) {
        held.countDown();
        try {
          open.await();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        closed = false;
      }
      return System.nanoTime();
    }

    @Override
    public Instant now() {
      return Instant.now();
    }
  }

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
    instance = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
    Thread.ofVirtual().start(this::accept);
  }

  @AfterEach
  void close() throws IOException {
    gate.open.countDown();
    rig.close();
    instance.close();
  }

  private void accept() {
    try {
      while (true) {
        Socket s = instance.accept();
        Thread.ofVirtual().start(() -> serve(s));
      }
    } catch (IOException closed) {
      // the test has ended
    }
  }

  private void serve(Socket s) {
    try (s) {
      InputStream in = s.getInputStream();
      for (String head = head(in); !head.isEmpty(); head = head(in)) {
        String lower = head.toLowerCase(Locale.ROOT);
        int at = lower.indexOf("content-length: ");
        if (at >= 0) {
          in.readNBytes(Integer.parseInt(lower.substring(at + 16, lower.indexOf('\r', at))));
        }
        String body = "{\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}";
        if (head.startsWith("POST")) {
          chats.add(s);
          body = "{\"good\":true}";
        }
        String answer =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length()
                + "\r\n\r\n"
                + body;
        s.getOutputStream().write(answer.getBytes(ISO_8859_1));
      }
    } catch (IOException gone) {
      // the router has closed it
    }
  }

  private static String head(InputStream in) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    String text = "";
    for (int b = in.read(); b >= 0; b = in.read()) {
      out.write(b);
      if (b == '\n') {
        text = out.toString(ISO_8859_1);
        if (text.endsWith("\r\n\r\n")) {
          return text;
        }
      }
    }
    return "";
  }

  private static void ask(Socket client, String model) throws IOException {
    String chat = "{\"model\":\"" + model + "\",\"messages\":[]}";
    String request =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
            + "\r\nContent-Length: "
            + chat.length()
            + "\r\n\r\n"
            + chat;
    client.getOutputStream().write(request.getBytes(ISO_8859_1));
  }

  private static String answer(Socket client) throws IOException {
    String head = head(client.getInputStream());
    String lower = head.toLowerCase(Locale.ROOT);
    int at = lower.indexOf("content-length: ") + 16;
    int length = Integer.parseInt(lower.substring(at, lower.indexOf('\r', at)));
    return new String(client.getInputStream().readNBytes(length), ISO_8859_1);
  }

  /// Whole, or the beginning of one; however messages are framed.
  @ParameterizedTest
  @CsvSource({"auto, 0", "auto, 20", "codec, 0", "codec, 20"})
  void whatLayThereBeforeARequestIsNotItsAnswer(String framing, int missing) throws Exception {
    rig.start(
        gate,
        List.of(
            StaticServices.instance(
                "http://127.0.0.1:" + instance.getLocalPort() + ",name=i", Map.of())),
        "threads=1",
        "transport=epoll",
        "framing=" + framing);
    try (Socket client = new Socket("127.0.0.1", rig.port());
        Socket other = new Socket("127.0.0.1", rig.port())) {
      client.setSoTimeout(20_000);
      ask(client, "m");
      assertThat(answer(client)).isEqualTo("{\"good\":true}");
      await().until(() -> chats.size() == 1);
      for (int k = 0; k < 2; k++) {
        // the second one finds the connection that the first one left
        ask(client, "m");
        assertThat(answer(client)).isEqualTo("{\"good\":true}");
      }
      Socket idle = chats.getLast();
      assertThat(chats).containsOnly(idle);
      gate.close();
      ask(other, "nobody");
      assertThat(gate.held.await(20, TimeUnit.SECONDS)).isTrue();
      ask(client, "m");
      idle.getOutputStream().write(EVIL.substring(0, EVIL.length() - missing).getBytes(ISO_8859_1));
      Loopback.awaitDelivered(instance.getLocalPort(), idle.getPort());
      Loopback.awaitDelivered(client.getLocalPort(), rig.port());
      gate.open.countDown();
      assertThat(answer(client)).isEqualTo("{\"good\":true}");
      ask(client, "m");
      assertThat(answer(client)).isEqualTo("{\"good\":true}");
    }
  }
}
