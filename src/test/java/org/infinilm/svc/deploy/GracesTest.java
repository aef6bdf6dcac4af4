package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class GracesTest {
  private static final long SECOND = 1_000_000_000L;

  private static State of(State.Role... roles) {
    List<State.Part> parts =
        Stream.of(roles)
            .map(r ->
                new State.Part(
                    r.name(),
                    r,
                    new Proc(1, "x/1"),
                    0,
                    URI.create("http://127.0.0.1/health"),
                    Path.of("x"),
                    Instant.EPOCH))
            .toList();
    return new State(
        "id", Instant.EPOCH, new Proc(1, "x/1"), "", 0, 0, new Asked(Map.of()), true, parts);
  }

  /// A clock that stands where it is set.
  private static final class Stopped implements Ticker {
    private long nanos;

    @Override
    public long nanos() {
      return nanos;
    }

    @Override
    public Instant now() {
      return Instant.EPOCH;
    }
  }

  private static double seconds(Duration d) {
    return d.toMillis() / 1000.0;
  }

  @Test
  void theRouterHasAThirdAndWhatItDoesNotUseTheBabysittersHave() {
    Stopped clock = new Stopped();
    State all = of(State.Role.ROUTER, State.Role.BABYSITTER, State.Role.REGISTRY);
    Graces graces = Graces.until(all, 9 * SECOND, clock);
    assertThat(seconds(graces.next(State.Role.ROUTER))).isEqualTo(1.8);
    clock.nanos = SECOND;
    assertThat(seconds(graces.next(State.Role.BABYSITTER))).isEqualTo(4.8);
    clock.nanos = 7 * SECOND;
    assertThat(seconds(graces.next(State.Role.REGISTRY))).isEqualTo(0.8);
    clock.nanos = 20 * SECOND;
    assertThat(seconds(graces.next(State.Role.REGISTRY))).isEqualTo(0.2);
  }

  @Test
  void whoIsAloneHasItAll() {
    Stopped clock = new Stopped();
    assertThat(
            seconds(Graces.until(of(State.Role.ROUTER), 9 * SECOND, clock).next(State.Role.ROUTER)))
        .isEqualTo(7.8);
    assertThat(
            seconds(
                Graces.until(of(State.Role.BABYSITTER), 9 * SECOND, clock)
                    .next(State.Role.BABYSITTER)))
        .isEqualTo(7.8);
  }
}
