package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.FastThreadLocal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LoopStateTest {
  @Test
  void anEntryThatThrowsTakesNobodysTimeLimitAway() {
    LoopState loop =
        new LoopState(EmbeddedChannel::new, ProxyServer.Framing.AUTO, new OldServers());
    List<Long> ticks = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      loop.watch(now -> {
        ticks.add(now);
        throw new StackOverflowError("of a test");
      });
    }
    long before = faults();
    loop.tick();
    loop.tick();
    assertThat(ticks).containsExactly(1L, 1L, 1L, 2L, 2L, 2L);
    assertThat(faults()).isEqualTo(before + 6);
  }

  @Test
  void whatComesAndGoesIsTickedWhileItIsLinked() {
    LoopState loop =
        new LoopState(EmbeddedChannel::new, ProxyServer.Framing.AUTO, new OldServers());
    List<String> ticked = new ArrayList<>();
    List<Noting> all = new ArrayList<>();
    for (String name : List.of("a", "b", "c", "d")) {
      Noting n = new Noting(name, ticked);
      all.add(n);
      loop.link(n);
    }
    loop.unlink(all.get(1));
    loop.tick();
    assertThat(ticked).containsExactlyInAnyOrder("a", "c", "d");
    loop.unlink(all.get(3));
    loop.unlink(all.get(0));
    ticked.clear();
    loop.tick();
    assertThat(ticked).containsExactly("c");
    loop.unlink(all.get(2));
    loop.link(all.get(1));
    ticked.clear();
    loop.tick();
    assertThat(ticked).containsExactly("b");
  }

  private static final class Noting extends LoopState.Linked {
    private final String name;
    private final List<String> ticked;

    Noting(String name, List<String> ticked) {
      this.name = name;
      this.ticked = ticked;
    }

    @Override
    public void tick(long now) {
      ticked.add(name);
    }
  }

  private static long faults() {
    return Faults.counts().entrySet().stream()
        .filter(e -> e.getKey().startsWith("a tick of ") && e.getKey().contains("StackOverflow"))
        .mapToLong(Map.Entry::getValue)
        .sum();
  }

  @Test
  void aPauseOfOursIsOneTick() {
    EmbeddedChannel c = new EmbeddedChannel();
    c.freezeTime();
    FastThreadLocal.removeAll();
    try {
      LoopState loop = LoopState.of(c.eventLoop(), ProxyServer.Framing.AUTO, new OldServers());
      c.advanceTimeBy(LoopState.TICK_MILLIS, TimeUnit.MILLISECONDS);
      c.runScheduledPendingTasks();
      assertThat(loop.now()).isEqualTo(1);
      c.advanceTimeBy(11, TimeUnit.SECONDS);
      for (int k = 0; k < 100; k++) {
        c.runScheduledPendingTasks();
      }
      assertThat(loop.now()).isEqualTo(2);
    } finally {
      FastThreadLocal.removeAll();
    }
  }
}
