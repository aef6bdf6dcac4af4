package org.infinilm.svc.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.infinilm.svc.fleet.CacheType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The fitted costs against the tables that they are fitted to.
class CostProfileTest {
  private static double error(CostProfile p, CostProfile.Row r) {
    double ns =
        r.decode()
            ? p.decodeNanos(r.sequences(), (double) r.sequences() * r.context(), r.context())
            : p.prefillNanos(r.newTokens(), r.pastTokens());
    return Math.abs(ns / 1e6 / r.ms() - 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"9b", "8b", "32b"})
  void everyMeasuredStepIsMet(String name) {
    CostProfile paged = CostProfile.of(name, CacheType.PAGED);
    CostProfile one = CostProfile.of(name, CacheType.STATIC);
    List<Double> decode = new ArrayList<>();
    List<Double> prefill = new ArrayList<>();
    for (CostProfile.Row r : CostProfile.table(name)) {
      (r.decode() ? decode : prefill).add(error(paged, r));
      if (r.decode() && r.sequences() == 1) {
        assertThat(error(one, r)).as(r.toString()).isLessThan(0.01);
      }
    }
    Collections.sort(decode);
    Collections.sort(prefill);
    System.out.println(
        name + " " + decode.get(decode.size() / 2) + " " + decode.getLast() + " " + prefill);
    assertThat(decode.get(decode.size() / 2)).isLessThan(0.025);
    assertThat(decode.getLast()).isLessThan(0.2);
    assertThat(prefill.get(prefill.size() / 2)).isLessThan(0.03);
    assertThat(prefill.getLast()).isLessThan(0.15);
  }

  @Test
  void anUnknownProfileIsNamed() {
    assertThatThrownBy(() -> CostProfile.of("70b", CacheType.PAGED))
        .hasMessage("profile: 70b (expected: one of 9b, 8b, 32b)");
  }
}
