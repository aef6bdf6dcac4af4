package org.infinilm.svc.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.bench.Routing.Answer;
import org.infinilm.svc.bench.Routing.Member;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RoutingTest {
  private static final Map<String, Member> FLEET =
      Map.of("p", new Member("p", "paged", 10.0, 12.0), "s", new Member("s", "static", 0.0, 2.0));

  private final List<Answer> answers = new ArrayList<>();

  private RoutingTest answered(long size, String pool, String instance, String reason) {
    answers.add(new Answer(answers.size(), "id", size, size, 100, pool, instance, reason, true));
    return this;
  }

  private Routing routing() {
    return Routing.of(answers, FLEET, "body");
  }

  @ParameterizedTest
  @CsvSource({
    "100, paged, p, true",
    "101, static, s, true",
    "101, paged, p, false",
    "100, static, s, false",
    "1, any, p, true",
    "1, static, p, true",
    "1, paged, s, false",
    "101, any, unknown, false"
  })
  void theInstancesOwnCacheTypeDecidesWhichPoolAnswered(
      long size, String pool, String instance, boolean correct) {
    Routing r = answered(size, pool, instance, "size").routing();
    assertThat(r.checked()).isEqualTo(1);
    assertThat(r.accuracy()).isEqualTo(correct ? 1.0 : 0.0);
    assertThat(r.exceptions()).hasSize(correct ? 0 : 1);
  }

  @Test
  void everyExceptionIsListedWithItsReason() {
    Routing r =
        answered(50, "paged", "p", "size")
            .answered(500, "paged", "p", "empty-pool")
            .answered(600, "static", "s", "size")
            .answered(700, "paged", "p", "fit")
            .routing();
    assertThat(r.accuracy()).isEqualTo(0.5, within(1e-12));
    assertThat(r.exceptions())
        .extracting(Routing.Astray::reason)
        .containsExactly("empty-pool", "fit");
    assertThat(r.exceptions().getFirst().expected()).isEqualTo("static");
    assertThat(r.exceptions().getFirst().pool()).isEqualTo("paged");
    assertThat(r.reasons())
        .containsOnly(Map.entry("size", 2), Map.entry("empty-pool", 1), Map.entry("fit", 1));
    assertThat(r.pools().get("paged")).isEqualTo(new Routing.PoolShare(3, 50, 500, 700));
    assertThat(r.threshold()).isEqualTo(100);
  }

  @Test
  void aRouterThatTakesTheBodySizeWronglyIsNotBelieved() {
    answers.add(new Answer(0, "id", 5000, 50, 100, "paged", "p", "size", true));
    Routing r = routing();
    assertThat(r.sizeMismatches()).isEqualTo(1);
    assertThat(r.accuracy()).isZero();
    assertThat(r.exceptions().getFirst().size()).isEqualTo(5000);
    assertThat(Routing.of(answers, FLEET, "text").accuracy()).isEqualTo(1.0);
  }

  @Test
  void countersThatCountLessContradictTheHeaders() {
    answered(1, "paged", "p", "size").answered(1, "paged", "p", "size");
    assertThat(routing().countersAgree()).isTrue();
    answered(1, "paged", "p", "size");
    Routing r = routing();
    assertThat(r.countersAgree()).isFalse();
    assertThat(r.disagreements()).containsExactly("p counted 2 requests (expected: 3)");
  }

  @Test
  void aCounterThatCannotBeReadLeavesItOpen() {
    Map<String, Member> fleet = new HashMap<>(FLEET);
    fleet.put("p", new Member("p", "paged", null, 3.0));
    answered(1, "paged", "p", "size");
    assertThat(Routing.of(answers, fleet, "body").countersAgree()).isNull();
  }

  @Test
  void aCounterThatWentDownBeganAgainAtZero() {
    assertThat(new Member("p", "paged", 10.0, 4.0).counted()).isEqualTo(4);
    assertThat(new Member("p", "paged", 10.0, 14.0).counted()).isEqualTo(4);
  }

  @Test
  void withoutCacheTypesThereIsNothingToCheck() {
    Map<String, Member> plain = Map.of("a", new Member("a", "", 0.0, 1.0));
    answers.add(new Answer(0, "id", 5, 5, 100, "any", "a", "affinity", true));
    Routing r = Routing.of(answers, plain, "body");
    assertThat(r.checked()).isZero();
    assertThat(r.accuracy()).isNaN();
    assertThat(r.instances().get("a")).isEqualTo(new Routing.InstanceShare("any", 1, 1L));
  }

  @Test
  void failedAndUnroutedRequestsAreNotChecked() {
    answers.add(new Answer(0, "id", 5, 5, 100, "static", "s", "size", false));
    answers.add(new Answer(1, "id", 5, -1, -1, null, null, null, false));
    Routing r = routing();
    assertThat(r.checked()).isZero();
    assertThat(r.instances().get("s").requests()).isEqualTo(1);
  }

  @Test
  void aThousandExceptionsAreKeptAndAllAreCounted() {
    for (int k = 0; k < 1500; k++) {
      answered(500, "paged", "p", "empty-pool");
    }
    assertThat(routing().exceptions()).hasSize(1000);
    assertThat(routing().exceptionsTotal()).isEqualTo(1500);
  }
}
