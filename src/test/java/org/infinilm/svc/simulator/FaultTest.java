package org.infinilm.svc.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FaultTest {
  @Test
  void aSpecIsReadWithItsParameters() {
    Fault f = Fault.parse("status:code=429,retry-after=7,every=3,count=2,probability=0.5");
    assertThat(f.kind()).isEqualTo(Fault.Kind.STATUS);
    assertThat(f.code()).isEqualTo(429);
    assertThat(f.retryAfter()).isEqualTo("7");
    assertThat(f.every()).isEqualTo(3);
    assertThat(f.count()).isEqualTo(2);
    assertThat(f.probability()).isEqualTo(0.5);
    assertThat(Fault.parse("slow-drip:delay=0.2").delay()).isEqualTo(Duration.ofMillis(200));
    assertThat(Fault.parse("1xx").code()).isEqualTo(103);
    assertThat(Fault.parse("reset:after=0").after()).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          explode            | fault explode (expected: one of refuse, hang-before-head, status
          status:code=9      | code=9 (expected: a whole number 200..599)
          reset:at=3         | "at=3" (expected: name=value with after, code
          reset:after        | "after" (expected: name=value
          reset:probability=2| probability=2 (expected: a number 0..1)
          1xx:code=101       | code=101 (expected: a whole number 102..199)
          """)
  void aWrongSpecIsNamed(String spec, String message) {
    assertThatThrownBy(() -> Fault.parse(spec))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  private static String strikes(FaultBox box, int requests) {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < requests; i++) {
      Fault f = box.next();
      s.append(f == null ? '.' : f.kind() == Fault.Kind.RESET ? 'r' : 's');
    }
    return s.toString();
  }

  @Test
  void everyAndCountDecideWhichRequestsAreStruck() {
    FaultBox box = new FaultBox(1);
    box.set(List.of("reset:every=3,count=2", "stall:count=1"));
    assertThat(strikes(box, 10)).isEqualTo("s.r..r....");
  }

  @Test
  void chancesAreTheSameForASeed() {
    List<String> runs = new ArrayList<>();
    for (long seed : new long[] {1, 1, 2}) {
      FaultBox box = new FaultBox(seed);
      box.set(List.of("reset:probability=0.5"));
      runs.add(strikes(box, 200));
    }
    assertThat(runs.get(0)).isEqualTo(runs.get(1)).isNotEqualTo(runs.get(2));
    assertThat(runs.get(0).chars().filter(c -> c == 'r').count()).isBetween(70L, 130L);
  }

  @Test
  void healthAndRequestsHaveTheirOwnFaults() {
    FaultBox box = new FaultBox(1);
    box.set(List.of("unhealthy:count=1", "reset:count=1"));
    assertThat(box.unhealthy()).isTrue();
    assertThat(box.unhealthy()).isFalse();
    assertThat(strikes(box, 2)).isEqualTo("r.");
  }

  @Test
  void aListWithAWrongSpecChangesNothing() {
    FaultBox box = new FaultBox(1);
    box.set(List.of("reset"));
    assertThatThrownBy(() -> box.set(List.of("stall", "nonsense")));
    assertThat(box.specs()).containsExactly("reset");
  }
}
