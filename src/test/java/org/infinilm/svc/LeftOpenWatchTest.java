package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class LeftOpenWatchTest {
  @Test
  void aSocketAndThreadsOfBothKindsAreSeenUntilTheyEnd() throws Exception {
    Map<String, Integer> before = LeftOpenWatch.open();
    CountDownLatch end = new CountDownLatch(1);
    Thread platform = Thread.ofPlatform().name("left platform").start(() -> hold(end));
    Thread virtual = Thread.ofVirtual().name("left virtual").start(() -> hold(end));
    // Java keeps a socket for the shutdown of others, made with the first one.
    new ServerSocket(0, 1, InetAddress.getLoopbackAddress()).close();
    Map<String, Integer> without = LeftOpenWatch.open();
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThat(s.getLocalPort()).isPositive();
      assertThat(LeftOpenWatch.more(without, LeftOpenWatch.open())).containsEntry("socket", 1);
      assertThat(LeftOpenWatch.more(before, LeftOpenWatch.open()))
          .containsEntry("thread left platform", 1)
          .containsEntry("thread left virtual", 1);
    }
    end.countDown();
    platform.join();
    virtual.join();
    assertThat(LeftOpenWatch.more(before, LeftOpenWatch.open()))
        .doesNotContainKeys("thread left platform", "thread left virtual");
  }

  private static void hold(CountDownLatch end) {
    try {
      end.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
