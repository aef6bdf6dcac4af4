package org.infinilm.svc.pictures;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlotScaleTest {
  @ParameterizedTest
  @CsvSource({"5, -2, 0.05", "2, -1, 0.2", "1, 0, 1", "5, 2, 500", "2, 4, 20k", "1, 6, 1M"})
  void ticksArePlainNumbers(int step, int decade, String label) {
    assertThat(PlotScale.label(step, decade)).isEqualTo(label);
  }

  @Test
  void oneValueStillHasARange() {
    PlotScale scale = new PlotScale("x");
    scale.cover(5, 5);
    assertThat(scale.getLowerBound()).isLessThan(Math.log10(5));
    assertThat(scale.getUpperBound()).isGreaterThan(Math.log10(5));
  }
}
