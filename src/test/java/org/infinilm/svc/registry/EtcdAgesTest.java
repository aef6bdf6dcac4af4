package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.registry.EtcdAges.Mark;
import org.infinilm.svc.registry.EtcdAges.Written;
import org.junit.jupiter.api.Test;

/// The age of a sign of life is known by what registries wrote down.
class EtcdAgesTest {
  private static final Duration LEASE = Duration.ofSeconds(90);
  private static final Duration WINDOW = Duration.ofSeconds(10);

  private static Mark mark(long revision, long seconds, String... names) {
    return new Mark(revision, Duration.ofSeconds(seconds), Set.of(names));
  }

  private static EtcdAges of(Mark... marks) {
    return new EtcdAges(List.of(marks), LEASE, WINDOW);
  }

  private static Duration age(EtcdAges ages, String name, long revision) {
    return ages.known(List.of(new Written(name, revision))).get(name);
  }

  @Test
  void whoIsNamedWasHeardInTheWindowBeforeTheMark() {
    EtcdAges ages = of(mark(10, 40, "x"), mark(20, 20, "x"), mark(30, 0, "y"));
    assertThat(age(ages, "x", 1)).isEqualTo(Duration.ofSeconds(20 + 10 + 1));
    assertThat(age(ages, "y", 1)).isEqualTo(Duration.ofSeconds(0 + 10 + 1));
  }

  @Test
  void whatWasWrittenAfterAMarkIsYoungerThanThat() {
    EtcdAges ages = of(mark(10, 40, "x"), mark(20, 20));
    assertThat(age(ages, "new", 21)).isEqualTo(Duration.ofSeconds(20 + 1));
    assertThat(age(ages, "new", 15)).isEqualTo(Duration.ofSeconds(40 + 1));
    assertThat(age(ages, "x", 25)).as("newer than its mark").isEqualTo(Duration.ofSeconds(21));
    assertThat(age(ages, "old", 10)).isNull();
  }

  @Test
  void aMarkOlderThanALeaseSaysOfNobodyThatItLives() {
    EtcdAges ages = of(mark(10, 85, "x"), mark(20, 95));
    assertThat(ages.known(List.of(new Written("x", 1), new Written("y", 11))))
        .isEqualTo(Map.of("y", Duration.ofSeconds(86)));
  }

  @Test
  void whoWasNotHeardForALeaseIsStaleAndTimeInWhichNobodyListenedDoesNotCount() {
    assertThat(of(mark(10, 85), mark(20, 5)).ofOthers()).isGreaterThan(LEASE);
    assertThat(of(mark(20, 5)).ofOthers()).isEqualTo(Duration.ofSeconds(5));
    assertThat(of().ofOthers()).isEqualTo(Duration.ZERO);
  }
}
