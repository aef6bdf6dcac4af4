package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ClientNamesTest {
  private static final Duration SHORT = Duration.ofMillis(100);

  @Test
  void aResolverThatHangsKeepsToTheCallsLimit() {
    CountDownLatch never = new CountDownLatch(1);
    try (Client client =
        Client.create(host -> {
          try {
            never.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return List.of(InetAddress.getLoopbackAddress());
        })) {
      assertThatThrownBy(() -> client.get(URI.create("http://slow.example:1/"), SHORT))
          .isInstanceOf(IOException.class)
          .hasMessage("host slow.example: not looked up within 100 ms");
    } finally {
      never.countDown();
    }
  }

  @Test
  void anUnknownNameIsSaid() {
    try (Client client =
        Client.create(host -> {
          throw new UnknownHostException(host);
        })) {
      assertThatThrownBy(() -> client.get(URI.create("http://none.example:1/"), SHORT))
          .hasMessage("unknown host none.example");
    }
  }

  @Test
  void anAddressIsTakenAsItIsOnTheCallersThread() {
    AtomicBoolean here = new AtomicBoolean();
    Thread caller = Thread.currentThread();
    try (Client client =
        Client.create(host -> {
          here.set(Thread.currentThread().equals(caller));
          throw new UnknownHostException(host);
        })) {
      for (String host : new String[] {"127.0.0.1", "[::1]"}) {
        here.set(false);
        assertThatThrownBy(() -> client.get(URI.create("http://" + host + ":1/"), SHORT))
            .isInstanceOf(IOException.class);
        assertThat(here).as(host).isTrue();
      }
    }
  }
}
