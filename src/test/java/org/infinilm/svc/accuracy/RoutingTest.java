package org.infinilm.svc.accuracy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongUnaryOperator;
import org.infinilm.svc.accuracy.Routing.Answer;
import org.infinilm.svc.accuracy.Routing.Member;
import org.infinilm.svc.accuracy.Routing.Own;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

class RoutingTest {
  private static final Map<String, Member> FLEET =
      Map.of("p", member("p", "paged", 10.0, 12.0), "s", member("s", "static", 0.0, 2.0));

  private final List<Answer> answers = new ArrayList<>();

  private static Member member(
      String name, String cacheType, @Nullable Double before, @Nullable Double after) {
    return new Member(
        name, cacheType, new Own(before, null, null, null), new Own(after, null, null, null));
  }

  private static Answer answer(
      int index,
      long sentBytes,
      long size,
      @Nullable String pool,
      @Nullable String instance,
      @Nullable String reason,
      boolean ok) {
    return new Answer(
        index,
        "id",
        sentBytes,
        -1,
        size,
        size < 0 ? -1 : 100,
        pool,
        instance,
        reason,
        ok,
        null,
        -1);
  }

  private RoutingTest answered(long size, String pool, String instance, String reason) {
    answers.add(answer(answers.size(), size, size, pool, instance, reason, true));
    return this;
  }

  private Routing routing() {
    return Routing.of(answers, FLEET, "body", null);
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
    answers.add(answer(0, 5000, 50, "paged", "p", "size", true));
    Routing r = routing();
    assertThat(r.sizeMismatches()).isEqualTo(1);
    assertThat(r.accuracy()).isZero();
    assertThat(r.exceptions().getFirst().size()).isEqualTo(5000);
    assertThat(Routing.of(answers, FLEET, "text", null).accuracy()).as("no text known").isNaN();
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
    fleet.put("p", member("p", "paged", null, 3.0));
    answered(1, "paged", "p", "size");
    assertThat(Routing.of(answers, fleet, "body", null).countersAgree()).isNull();
  }

  @Test
  void aCounterThatWentDownBeganAgainAtZero() {
    assertThat(member("p", "paged", 10.0, 4.0).counted()).isEqualTo(4);
    assertThat(member("p", "paged", 10.0, 14.0).counted()).isEqualTo(4);
  }

  @Test
  void withoutCacheTypesThereIsNothingToCheck() {
    Map<String, Member> plain = Map.of("a", member("a", "", 0.0, 1.0));
    answers.add(answer(0, 5, 5, "any", "a", "affinity", true));
    Routing r = Routing.of(answers, plain, "body", null);
    assertThat(r.checked()).isZero();
    assertThat(r.accuracy()).isNaN();
    assertThat(r.instances().get("a")).isEqualTo(new Routing.InstanceShare("any", 1, 1L));
  }

  /// A rule that fails every large request is not accurate.
  @Test
  void accuracyIsOfAllRequestsThatWereSent() {
    answers.add(answer(0, 500, 500, "static", "s", "size", false));
    answers.add(answer(1, 5, -1, null, null, null, false));
    Routing r = answered(5, "paged", "p", "size").routing();
    assertThat(r.sent()).isEqualTo(3);
    assertThat(r.answered()).isEqualTo(1);
    assertThat(r.checked()).isEqualTo(1);
    assertThat(r.accuracy()).isEqualTo(1 / 3.0);
    assertThat(r.instances().get("s").requests()).isEqualTo(1);
  }

  private static Map<String, Member> marked(
      double pagedTokens, double staticTokens, @Nullable String both) {
    return Map.of(
        "p",
        new Member(
            "p",
            "paged",
            new Own(0.0, 0.0, both, null),
            new Own(2.0, pagedTokens, or(both, "fp_p"), null)),
        "s",
        new Member(
            "s",
            "static",
            new Own(0.0, 0.0, both, null),
            new Own(2.0, staticTokens, or(both, "fp_s"), null)));
  }

  private static String or(@Nullable String one, String other) {
    return one == null ? other : one;
  }

  /// Two small and two large requests, which the router says went where they belong.
  private static List<Answer> claimed(String markOfSmall, String markOfLarge) {
    List<Answer> out = new ArrayList<>();
    for (int k = 0; k < 4; k++) {
      boolean large = k % 2 == 1;
      out.add(
          new Answer(
              k,
              "id",
              large ? 500 : 50,
              -1,
              large ? 500 : 50,
              100,
              large ? "static" : "paged",
              large ? "s" : "p",
              "size",
              true,
              large ? markOfLarge : markOfSmall,
              large ? 100 : 10));
    }
    return out;
  }

  @Test
  void anAnswerThatNamesItsInstanceProvesIt() {
    Routing r = Routing.of(claimed("fp_p", "fp_s"), marked(20, 200, null), "body", null);
    assertThat(r.proven()).isEqualTo(4);
    assertThat(r.misattributed()).isZero();
    assertThat(r.accuracy()).isEqualTo(1.0);
    assertThat(r.countersAgree()).isTrue();
  }

  @Test
  void aProxyThatSwapsThePoolsIsFoundByTheAnswers() {
    Routing r = Routing.of(claimed("fp_s", "fp_p"), marked(200, 200, null), "body", null);
    assertThat(r.accuracy()).isZero();
    assertThat(r.misattributed()).isEqualTo(4);
    assertThat(r.countersAgree()).isFalse();
    assertThat(r.disagreements())
        .contains("request 0 was answered by s (expected: p, which the router named)")
        .contains("... and 1 more such answers");
  }

  /// Counts of requests are equal; those of prompt tokens are not.
  @Test
  void aProxyThatSwapsThePoolsOfInstancesWithoutAMarkIsFoundByTheirTokens() {
    Routing r = Routing.of(claimed("b4916", "b4916"), marked(200, 20, "b4916"), "body", null);
    assertThat(r.proven()).isZero();
    assertThat(r.countersAgree()).isFalse();
    assertThat(r.disagreements()).containsExactly("s counted 20 prompt tokens (expected: 200)");
  }

  @Test
  void theThresholdThatIsExpectedIsHeldAgainstTheRouters() {
    Routing r = Routing.of(claimed("fp_p", "fp_s"), marked(20, 200, null), "body", 1000L);
    assertThat(r.threshold()).isEqualTo(1000);
    assertThat(r.accuracy()).isEqualTo(0.5);
    assertThat(r.disagreements()).containsExactly("the router's threshold is 100 (expected: 1000)");
  }

  private static List<Answer> with(List<Answer> all, LongUnaryOperator threshold, long text) {
    return all.stream()
        .map(a ->
            new Answer(
                a.index(),
                a.requestId(),
                a.sentBytes(),
                text,
                a.size(),
                threshold.applyAsLong(a.index()),
                a.pool(),
                a.instance(),
                a.reason(),
                a.ok(),
                a.fingerprint(),
                a.promptTokens()))
        .toList();
  }

  @Test
  void aRouterThatNamesAnotherThresholdWithEachAnswerIsTold() {
    List<Answer> each = with(claimed("fp_p", "fp_s"), k -> k % 2 == 0 ? 1_000_000 : 0, -1);
    Routing r = Routing.of(each, marked(20, 200, null), "body", null);
    assertThat(r.countersAgree()).isFalse();
    assertThat(r.disagreements())
        .containsExactly(
            "the router named 2 thresholds, from 0 to 1000000 (expected: one, or"
                + " --expect-threshold)");
    assertThat(r.accuracy()).as("no rule").isNaN();
    assertThat(r.claimed() + r.checked()).isEqualTo(4);
    Routing expected = Routing.of(each, marked(20, 200, null), "body", 100L);
    assertThat(expected.disagreements())
        .containsExactly("the router named 2 thresholds, from 0 to 1000000 (expected: 100)");
    assertThat(expected.accuracy()).isEqualTo(1.0);
  }

  @Test
  void theSizeOfATextIsThatOfTheTextThatWasSent() {
    List<Answer> all = with(claimed("fp_p", "fp_s"), k -> 100, 40);
    Routing r = Routing.of(all, marked(20, 200, null), "text", null);
    assertThat(r.sizeMismatches()).isEqualTo(4);
    assertThat(r.accuracy()).as("all are small").isEqualTo(0.5);
  }

  /// Everything goes to the paged pool and is said to be of size 1.
  private static List<Answer> allSmall(int promptTokensOfLarge) {
    List<Answer> out = new ArrayList<>();
    for (int k = 0; k < 4; k++) {
      boolean large = k % 2 == 1;
      out.add(
          new Answer(
              k,
              "id",
              large ? 5000 : 50,
              large ? 4900 : 40,
              1,
              100,
              "paged",
              "p",
              "size",
              true,
              "fp_p",
              large ? promptTokensOfLarge : 10));
    }
    return out;
  }

  @ParameterizedTest
  @ValueSource(strings = {"body", "text", "tokens"})
  void aSizeThatTheRouterMakesUpIsFoundInEachMetric(String metric) {
    Routing r = Routing.of(allSmall(1000), marked(2020, 0, null), metric, null);
    assertThat(r.accuracy()).isEqualTo(0.5);
    assertThat(r.checked()).isEqualTo(4);
    assertThat(r.exceptions()).hasSize(2).allMatch(a -> a.expected().equals("static"));
    assertThat(r.sizeMismatches()).isEqualTo(metric.equals("tokens") ? 2 : 4);
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = {"characters", "", "BODY"})
  void whatNobodyCanMeasureIsNotProven(@Nullable String metric) {
    Routing r = Routing.of(allSmall(1000), marked(2020, 0, null), metric, null);
    assertThat(r.accuracy()).isNaN();
    assertThat(r.checked()).isZero();
    assertThat(r.claimed()).isEqualTo(4);
  }

  @Test
  void promptTokensThatNobodyCountsAreNotProven() {
    Routing r = Routing.of(allSmall(-1), marked(20, 0, null), "tokens", null);
    assertThat(r.correct()).isEqualTo(2);
    assertThat(r.claimed()).isEqualTo(2);
    assertThat(r.accuracy()).as("at least").isEqualTo(0.5);
    assertThat(Routing.of(allSmall(0), marked(20, 0, null), "tokens", null).claimed()).isEqualTo(2);
  }

  /// `/decisions` asks for a token that the bench may not have.
  @Test
  void sizesThatAreAllThoseOfTheBodiesNeedNoMetric() {
    Routing r = Routing.of(claimed("fp_p", "fp_s"), marked(20, 200, null), null, null);
    assertThat(r.metric()).isEqualTo("body");
    assertThat(r.accuracy()).isEqualTo(1.0);
  }

  /// Neither a mark nor a counter: only the router says who answered.
  @Test
  void anInstanceThatNothingSpeaksForIsNotProven() {
    Map<String, Member> mute =
        Map.of(
            "p", new Member("p", "paged", Own.NOTHING, Own.NOTHING),
            "s", new Member("s", "static", Own.NOTHING, Own.NOTHING));
    Routing r = Routing.of(claimed("b1", "b1"), mute, "body", null);
    assertThat(r.accuracy()).isNaN();
    assertThat(r.claimed()).isEqualTo(4);
    assertThat(r.countersAgree()).isNull();
  }

  /// Of an instance that the router does not list, or made up.
  @ParameterizedTest
  @NullSource
  @ValueSource(strings = "fp_x")
  void anAnswerWithoutTheMarkOfTheInstanceThatIsNamedIsNotProven(@Nullable String mark) {
    List<Answer> all =
        claimed("fp_p", "fp_s").stream().map(a -> a.index() == 0 ? marked(a, mark) : a).toList();
    Routing r = Routing.of(all, marked(20, 200, null), "body", null);
    assertThat(r.correct()).isEqualTo(3);
    assertThat(r.claimed()).isEqualTo(1);
  }

  private static Answer marked(Answer a, @Nullable String mark) {
    return new Answer(
        a.index(),
        a.requestId(),
        a.sentBytes(),
        a.sentTextBytes(),
        a.size(),
        a.threshold(),
        a.pool(),
        a.instance(),
        a.reason(),
        a.ok(),
        mark,
        a.promptTokens());
  }

  @Test
  void aRouterIsBelievedAgainstItself() {
    Routing r = Routing.told(claimed("fp_s", "fp_p"), marked(20, 200, null), "body", null);
    assertThat(r.accuracy()).isZero();
    assertThat(r.exceptionsTotal()).isEqualTo(4);
  }

  @Test
  void whatAnInstanceSaysOfItsCacheCountsAndNotTheList() {
    Map<String, Member> swapped =
        Map.of(
            "p", new Member("p", "paged", Own.NOTHING, new Own(9.0, null, "fp_p", "static")),
            "s", new Member("s", "static", Own.NOTHING, new Own(9.0, null, "fp_s", "paged")));
    Routing r = Routing.of(claimed("fp_p", "fp_s"), swapped, "body", null);
    assertThat(r.accuracy()).isZero();
    assertThat(r.disagreements())
        .contains("p is listed as paged (expected: static, as it says itself)");
  }

  @Test
  void anInstancesMarkIsReadFromItsMetrics() {
    Own own =
        FleetView.own(
            """
            # TYPE infini_instance info
            infini_instance_info{cache_type="static",fingerprint="fp_1"} 1
            vllm:prompt_tokens_total{engine="0",model_name="m"} 7.0
            vllm:request_success_total{finished_reason="stop"} 2
            vllm:request_success_total{finished_reason="length"} 3
            """);
    assertThat(own).isEqualTo(new Own(5.0, 7.0, "fp_1", "static"));
    assertThat(FleetView.own("")).isEqualTo(Own.NOTHING);
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
