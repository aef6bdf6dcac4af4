package org.infinilm.svc.router;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// A keeper with its own thread for a test; nothing is probed and no name server is asked.
abstract class KeeperRig {
  static final Duration SOON = Duration.ofSeconds(20);

  final Map<String, List<String>> names = new ConcurrentHashMap<>();
  final CountDownLatch hang = new CountDownLatch(1);
  final Slots slots = new Slots();
  final Seats seats = new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, Ticker.SYSTEM);
  final AtomicLong skippedNanos = new AtomicLong();
  final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return Ticker.SYSTEM.nanos() + skippedNanos.get();
        }

        @Override
        public Instant now() {
          return Ticker.SYSTEM.now();
        }
      };
  final Map<String, Known> there = new LinkedHashMap<>();
  FleetKeeper keeper;
  Watch watch;

  @BeforeEach
  void begin() throws Exception {
    keeper = keeper(Map.of());
    watch = new Watch(slots, seats, keeper, new Troubles(slots, ticker), name -> {});
    keeper.start();
  }

  FleetKeeper keeper(Map<String, String> flags) throws Exception {
    RouterConfig config = RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
    return new FleetKeeper(config, slots, seats, this::look, ticker, new SplittableRandom(1));
  }

  @AfterEach
  void end() {
    hang.countDown();
    keeper.close();
  }

  InetAddress[] look(String host) throws UnknownHostException {
    if (host.equals("hangs")) {
      try {
        hang.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    List<String> found = names.get(host);
    if (found == null) {
      throw new UnknownHostException(host);
    }
    InetAddress[] out = new InetAddress[found.size()];
    for (int k = 0; k < out.length; k++) {
      out[k] = InetAddress.getByAddress(host, InetAddress.ofLiteral(found.get(k)).getAddress());
    }
    return out;
  }

  static Known known(String name, String host, int port, boolean each, String... models) {
    return new Known(
        name,
        host,
        port,
        "http://" + host + ":" + port,
        List.of(models),
        null,
        Map.of("type", "openai-api"),
        1,
        true,
        true,
        true,
        null,
        null,
        null,
        null,
        each,
        null);
  }

  static Known known(String name, String host, int port) {
    return known(name, host, port, false, "m");
  }
}
