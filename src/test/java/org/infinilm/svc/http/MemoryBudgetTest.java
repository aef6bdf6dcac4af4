package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class MemoryBudgetTest {
  private static final int MIB = 1 << 20;

  private final MemoryBudget budget = new MemoryBudget(10 * MIB);
  private final List<String> givenUp = new ArrayList<>();

  private MemoryBudget.Share share(String name, long age, boolean mayGo) {
    MemoryBudget.Share s = budget.new Share(() -> givenUp.add(name));
    s.note(age, mayGo);
    return s;
  }

  @Test
  void theCostliestOverTimeGoesFirstAndWhoeverComesNextStays() {
    MemoryBudget.Share slow = share("slow", 100, true);
    MemoryBudget.Share large = share("large", 1, true);
    MemoryBudget.Share next = share("next", 0, true);
    assertThat(slow.body(2 * MIB)).isTrue();
    assertThat(large.waiting(8 * MIB)).isTrue();
    assertThat(next.body(MIB)).isTrue();
    assertThat(givenUp).containsExactly("slow");
    assertThat(budget.held()).isEqualTo(9 * MIB);
    assertThat(next.body(2 * MIB + 1)).isTrue();
    assertThat(givenUp).containsExactly("slow", "large");
    slow.close();
    large.close();
    assertThat(budget.held()).isEqualTo(2 * MIB + 1);
    next.close();
    assertThat(budget.held()).isZero();
    assertThat(budget.givenUp()).isEqualTo(2);
  }

  @Test
  void whoIsCostliestItselfIsTold() {
    MemoryBudget.Share small = share("small", 5, true);
    MemoryBudget.Share large = share("large", 50, true);
    assertThat(small.body(MIB)).isTrue();
    assertThat(large.body(8 * MIB)).isTrue();
    assertThat(large.body(9 * MIB + 1)).isFalse();
    assertThat(givenUp).isEmpty();
  }

  @Test
  void whatAnInstanceWorksOnStaysAndSmallOnesOverdrawALittle() {
    MemoryBudget.Share working = share("working", 1000, false);
    MemoryBudget.Share small = share("small", 0, true);
    MemoryBudget.Share large = share("large", 0, true);
    assertThat(working.body(10 * MIB)).isTrue();
    assertThat(small.body(1000)).isTrue();
    assertThat(large.body(MIB)).isFalse();
    large.close();
    assertThat(givenUp).isEmpty();
    boolean more = true;
    for (int k = 0; k < 1000 && more; k++) {
      more = share("s" + k, 0, true).body(10_000);
    }
    assertThat(more).as("bounded").isFalse();
    assertThat(budget.held()).isLessThan(10 * MIB + 10 * MIB / 7);
  }

  @Test
  void aLargeBodyThatDoesNotFitIsNotBegun() {
    MemoryBudget.Share s = share("s", 0, true);
    s.body(9 * MIB);
    assertThat(budget.admits(2 * MIB)).isFalse();
    assertThat(budget.admits(MIB)).isTrue();
    assertThat(budget.admits(1000)).isTrue();
  }

  @Test
  void pressureRisesAsItFills() {
    MemoryBudget.Share s = share("s", 0, true);
    s.waiting(5 * MIB - 1);
    assertThat(budget.pressure()).isZero();
    s.waiting(5 * MIB);
    assertThat(budget.pressure()).isEqualTo(1);
    s.waiting(8 * MIB);
    assertThat(budget.pressure()).isEqualTo(2);
    s.waiting(0);
    assertThat(budget.pressure()).isZero();
  }
}
