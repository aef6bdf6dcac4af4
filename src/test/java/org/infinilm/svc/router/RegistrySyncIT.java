package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// How often a registry is asked.
class RegistrySyncIT {
  private static final Duration INTERVAL = Duration.ofMillis(300);
  private static final String TABLE = "{\"version\":\"7\",\"services\":[],\"deleted\":[]}";

  private final List<Long> askedNanos = new CopyOnWriteArrayList<>();

  /// Says the same table at once, whatever it is asked.
  private void serve(ServerSocket from) {
    try {
      while (true) {
        try (Socket s = from.accept()) {
          askedNanos.add(Ticker.SYSTEM.nanos());
          s.getInputStream().read(new byte[4096]);
          String answer =
              "HTTP/1.1 200 OK\r\nContent-Length: " + TABLE.length() + "\r\n\r\n" + TABLE;
          s.getOutputStream().write(answer.getBytes(ISO_8859_1));
        }
      }
    } catch (IOException closed) {
      // the end of the test
    }
  }

  /// A31: below a second the wait was rounded to none, and it was asked 895 times a second.
  @Test
  void aRegistryWithoutNewsIsAskedOnceAnIntervalHoweverShort() throws Exception {
    RouterConfig config =
        RouterConfig.of(Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), null));
    Slots slots = new Slots();
    Seats seats = new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, Ticker.SYSTEM);
    FleetKeeper keeper =
        new FleetKeeper(
            config,
            slots,
            seats,
            InetAddress::getAllByName,
            Ticker.SYSTEM,
            new SplittableRandom(1));
    try (ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Client http = Client.create();
        RegistrySync sync =
            new RegistrySync(
                new RegistryClient(
                    http, URI.create("http://127.0.0.1:" + listener.getLocalPort()), null),
                "http://127.0.0.1:" + listener.getLocalPort(),
                INTERVAL,
                keeper,
                Ticker.SYSTEM)) {
      Thread.ofVirtual().start(() -> serve(listener));
      sync.start();
      await().atMost(Rig.SOON).until(() -> askedNanos.size() >= 7);
      assertThat(askedNanos.get(6) - askedNanos.get(2))
          .as("the first answers are news, the others are not")
          .isGreaterThan(INTERVAL.toNanos() * 2);
    } finally {
      keeper.close();
    }
  }
}
