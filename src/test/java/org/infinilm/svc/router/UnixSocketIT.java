package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// An instance that listens on a unix socket.
class UnixSocketIT {
  private static final String STREAM =
      Rig.answer(
          200, "Content-Type: text/event-stream\r\n", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n");

  @TempDir private Path folder;
  private final List<String> seen = new CopyOnWriteArrayList<>();
  private final List<SocketChannel> connections = new CopyOnWriteArrayList<>();
  private final List<ServerSocketChannel> servers = new ArrayList<>();
  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
    for (ServerSocketChannel s : servers) {
      s.close();
    }
  }

  private Path socket() {
    return folder.resolve("an engine.sock");
  }

  private void listen() throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket()));
    servers.add(server);
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          try {
            while (true) {
              SocketChannel c = server.accept();
              Thread.ofPlatform().daemon().start(() -> serve(c));
            }
          } catch (IOException closed) {
            // the end of this listener
          }
        });
  }

  private void serve(SocketChannel c) {
    boolean counted = false;
    try (c) {
      while (true) {
        String request = RawInstance.read(Channels.newInputStream(c));
        if (request.isEmpty()) {
          return;
        }
        boolean probe = request.startsWith("GET /health ");
        boolean models = request.startsWith("GET /v1/models ");
        if (!probe && !models) {
          seen.add(request);
          if (!counted) {
            counted = true;
            connections.add(c);
          }
        }
        String said =
            models
                ? Rig.answer(200, "", "{\"data\":[{\"id\":\"m\"}]}")
                : request.contains("\"stream\":true") ? STREAM : Rig.OK;
        Channels.newOutputStream(c).write(said.getBytes(ISO_8859_1));
      }
    } catch (IOException gone) {
      // the router closed it
    }
  }

  private Known known() throws Exception {
    return StaticServices.instance("unix:" + socket() + ",name=local", Map.of());
  }

  @Test
  void requestsAndStreamsGoOverItAndConnectionsAreKept() throws Exception {
    listen();
    rig.startFixed(List.of(known()), "threads=1");
    for (int k = 0; k < 20; k++) {
      Said said = rig.chat();
      assertThat(said.status()).as(said.toString()).isEqualTo(200);
      assertThat(said.body()).isEqualTo("ok");
      assertThat(said.field("x-infini-instance")).isEqualTo("local");
    }
    Said stream = rig.send(Rig.post(Rig.CHAT, "", Rig.STREAM));
    assertThat(stream.body()).contains("data: [DONE]");
    assertThat(seen).hasSize(21);
    assertThat(seen)
        .allMatch(r -> r.startsWith("POST " + Rig.CHAT + " HTTP/1.1\r\n"))
        .allMatch(r -> r.toLowerCase(Locale.ROOT).contains("\r\nhost: "));
    assertThat(connections.size()).as("kept").isLessThan(5);
    rig.quiet();
  }

  @Test
  void aSocketThatIsGoneIsOutOfServiceUntilItIsBack() throws Exception {
    rig.launch(Ticker.SYSTEM, List.of(known()), "health_interval=0.1");
    await().atMost(Rig.SOON).until(() -> rig.health().equals("0/1"));
    assertThat(rig.chat().status()).isEqualTo(503);
    listen();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    assertThat(rig.chat().status()).isEqualTo(200);
    servers.getFirst().close();
    for (SocketChannel kept : connections) {
      kept.close();
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("0/1"));
    Files.delete(socket());
    assertThat(rig.chat().status()).isEqualTo(503);
    listen();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    assertThat(rig.chat().status()).isEqualTo(200);
  }
}
