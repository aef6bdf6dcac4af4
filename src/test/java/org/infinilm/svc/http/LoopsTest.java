package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.channel.EventLoopGroup;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.ResourceLock;

@ResourceLock("uncaught exceptions")
class LoopsTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  private final Thread.UncaughtExceptionHandler before =
      Thread.getDefaultUncaughtExceptionHandler();
  private final List<Throwable> told = new CopyOnWriteArrayList<>();

  @AfterEach
  void restore() {
    Thread.setDefaultUncaughtExceptionHandler(before);
  }

  /// B38: connections of a loop that an error had ended were accepted and never answered.
  @Test
  void aLoopThatEndsBeforeItShouldIsTold() {
    Thread.setDefaultUncaughtExceptionHandler((t, e) -> told.add(e));
    AtomicBoolean closed = new AtomicBoolean();
    EventLoopGroup loops = Loops.group(2, "watched");
    Loops.watch(loops, closed::get);
    loops.next().shutdownGracefully(0, 0, TimeUnit.SECONDS);
    await().dontCatchUncaughtExceptions().atMost(SOON).until(() -> !told.isEmpty());
    assertThat(told.getFirst()).hasMessage("an event loop has ended");
    closed.set(true);
    loops.shutdownGracefully(0, 0, TimeUnit.SECONDS).awaitUninterruptibly();
    assertThat(told).as("an end in good order is none").hasSize(1);
  }
}
