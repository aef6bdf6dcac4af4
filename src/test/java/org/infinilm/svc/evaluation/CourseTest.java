package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.evaluation.Course.What;
import org.junit.jupiter.api.Test;

/// From when on a policy is as good as it gets.
class CourseTest {
  private static Course of(double... windows) {
    List<Double> w = new ArrayList<>();
    for (double d : windows) {
      w.add(d);
    }
    return new Course("p", What.RUN, w);
  }

  @Test
  void itHasSettledFromTheLastWindowOnThatIsFarFromTheEnd() {
    assertThat(of(0.5, 0.9, 0.98, 0.99, 0.99, 0.99, 0.99, 0.99).settledAfter())
        .isEqualTo(2 * Course.WINDOW);
    assertThat(of(0.98, 0.99, 0.99, 0.99).settledAfter()).isZero();
    assertThat(of(0.99, 0.5, 0.99, 0.99, 0.99, 0.99).settledAfter()).isEqualTo(2 * Course.WINDOW);
    assertThat(of(0.5, 0.6, 0.7, 0.99, 0.99, 0.99).settledAfter()).isEqualTo(-1);
    assertThat(of(0.5, 0.6, 0.7, 0.99, 0.99, 0.99).last()).isCloseTo(0.99, within(1e-9));
  }

  /// An instance that is slow in the middle: one part before it, one while it is.
  @Test
  void aSlowDownBeginsAPartOfItsOwn() throws ConfigException {
    FleetPlan plan = FleetPlan.parse("f", "a paged slow=3@0.25..0.75\nb static\n");
    int n = 400;
    Outcome o = new Outcome(n);
    for (int k = 0; k < n; k++) {
      o.arrival[k] = k;
      o.first[k] = k + 1;
      o.tokens[k] = 1;
      // late in the first 50 of the slow-down
      o.last[k] = k + 1;
      o.first[k] = k >= 100 && k < 150 ? k + 3e9 : o.first[k];
    }
    List<Course> c = Course.of("p", Collections.nCopies(3, o), List.of(400.0, 400.0, 400.0), plan);
    assertThat(c).extracting(Course::what).containsExactly(What.RUN, What.SLOW);
    assertThat(c.get(0).windows()).hasSize(100 / Course.WINDOW).containsOnly(1.0);
    assertThat(c.get(1).windows()).hasSize(200 / Course.WINDOW);
    assertThat(c.get(1).settledAfter()).isEqualTo(50);
  }
}
