package org.infinilm.svc.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HangUpsTest {
  private static final long SECOND = 1_000_000_000L;

  private final AtomicBoolean terminal = new AtomicBoolean(true);
  private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - SECOND);
  private final HangUps hangUps = new HangUps(terminal::get, nanos::get);

  @Test
  void whoNeverHadATerminalIsAService() {
    terminal.set(false);
    HangUps service = new HangUps(terminal::get, nanos::get);
    assertThat(service.isTheEnd()).isFalse();
    terminal.set(true);
    assertThat(service.isTheEnd()).isFalse();
    terminal.set(false);
    assertThat(service.isTheEnd()).as("another's terminal").isFalse();
  }

  @Test
  void whoseTerminalIsThereIsAskedToReadAnewAsOftenAsLikes() {
    assertThat(hangUps.isTheEnd()).isFalse();
    assertThat(hangUps.isTheEnd()).isFalse();
  }

  @Test
  void whoseTerminalIsGoneEnds() {
    terminal.set(false);
    assertThat(hangUps.isTheEnd()).isTrue();
  }

  /// The leader of a session that ends has the signal sent before its terminal is taken away.
  @Test
  void aTerminalThatGoesJustBehindItsSignalIsWaitedFor() {
    AtomicInteger looks = new AtomicInteger();
    HangUps late = new HangUps(() -> looks.incrementAndGet() < 5, nanos::get);
    assertThat(late.isTheEnd()).isTrue();
  }

  @Test
  void whoHasOutlivedItsTerminalIsAServiceAndOneWhoseSignalIsLateIsNot() {
    terminal.set(false);
    assertThat(hangUps.look()).as("seen to have gone").isFalse();
    nanos.addAndGet(9 * SECOND);
    assertThat(hangUps.isTheEnd()).as("a shell took that long to pass it on").isTrue();
    nanos.addAndGet(2 * SECOND);
    assertThat(hangUps.isTheEnd()).isFalse();
  }

  /// A signal in the moment in which the other thread finds that the terminal is gone.
  @Test
  void whoIsFoundToHaveLostItsTerminalHasLostItJustThen() {
    List<HangUps> asked = new ArrayList<>();
    List<Boolean> ends = new ArrayList<>();
    HangUps found =
        new HangUps(
            terminal::get,
            () -> {
              if (!asked.isEmpty()) {
                ends.add(asked.removeFirst().isTheEnd());
              }
              return nanos.get();
            });
    asked.add(found);
    terminal.set(false);
    assertThat(found.look()).isFalse();
    assertThat(ends).containsExactly(true);
  }
}
