package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class CountersTest {
  private static final String PAGE =
      """
      # HELP infini_engine_requests_total Finished requests.
      # TYPE infini_engine_requests_total counter
      infini_engine_requests_total{outcome="ok"} 12.0
      infini_engine_requests_total{outcome="client_error"} 3.0
      infini_engine_requests_total_created{outcome="ok"} 1.7E9
      infini_router_inflight{pool="paged",instance="a-server"} 2.0
      infini_router_inflight{instance="b-server",pool="static"} 1.0
      plain 7
      """;

  @Test
  void requestsAreSummedOverOutcomes() {
    assertThat(Counters.requests(PAGE)).hasValue(15);
  }

  @Test
  void vllmsCounterIsUsedWhereOursIsMissing() {
    assertThat(
            Counters.requests(
                "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\"} 4.0\n"))
        .hasValue(4);
    assertThat(Counters.requests("other 1\n")).isEmpty();
  }

  @Test
  void valuesAreReadByLabelWhereverItStands() {
    assertThat(Counters.byLabel(PAGE, "infini_router_inflight", "instance"))
        .isEqualTo(Map.of("a-server", 2.0, "b-server", 1.0));
    assertThat(Counters.sum(PAGE, "plain")).isEqualTo(7);
  }

  @Test
  void aClaimIsContradictedOnlyByACounterThatMovedTooLittle() {
    Counted counted = new Counted(counts(10, 5), counts(11, 5));

    assertThat(counted.disagree(Map.of("paged", 1))).isEmpty();
    assertThat(counted.agreement(Map.of("paged", 1))).isEqualTo("counters agree");
    assertThat(counted.disagree(Map.of("static", 1)))
        .isEqualTo(List.of("the counter of static moved by 0 (expected: 1)"));
  }

  @Test
  void trafficOfOthersIsSaid() {
    assertThat(new Counted(counts(10, 5), counts(11, 6)).agreement(Map.of("paged", 1)))
        .isEqualTo("counters agree, beside other traffic");
  }

  @Test
  void anInstanceWithoutCountersIsNotChecked() {
    Map<String, OptionalDouble> none = Map.of("paged", OptionalDouble.empty());
    Counted counted = new Counted(none, none);

    assertThat(counted.disagree(Map.of("paged", 1))).isEmpty();
    assertThat(counted.agreement(Map.of("paged", 1))).isEqualTo("not checked by counters");
  }

  @Test
  void aRestartedInstanceCountsFromZero() {
    assertThat(new Counted(counts(10, 5), counts(2, 5)).moved("paged")).hasValue(2);
  }

  private static Map<String, OptionalDouble> counts(double paged, double fixed) {
    return Map.of("paged", OptionalDouble.of(paged), "static", OptionalDouble.of(fixed));
  }
}
