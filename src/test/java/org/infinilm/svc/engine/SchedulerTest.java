package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.engine.Scheduler.Limits;
import org.infinilm.svc.engine.Scheduler.Part;
import org.infinilm.svc.engine.Scheduler.Running;
import org.infinilm.svc.engine.Scheduler.State;
import org.infinilm.svc.engine.Scheduler.Step;
import org.infinilm.svc.engine.Scheduler.Waiting;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SchedulerTest {
  /// 10 blocks of 16 tokens, two sequences, 32 tokens a step.
  private static final Limits PAGED = new Limits(true, 160, 16, 2, 32);

  private static final Limits STATIC = new Limits(false, 100, 16, 1, 32);

  record Row(
      String name,
      Limits limits,
      @Nullable Waiting head,
      List<Running> running,
      int used,
      int kept,
      Step expected) {
    @Override
    public String toString() {
      return name;
    }
  }

  /// A running sequence of this prompt with so much of it stored, and 16 tokens for the answer.
  private static Running running(int index, int prompt, int stored) {
    return new Running(index, prompt, stored, PAGED.reservation(prompt + 16));
  }

  static Stream<Row> table() {
    return Stream.of(
        new Row("nothing to do", PAGED, null, List.of(), 0, 0, new Step.Rest()),
        new Row("kept cells are no work", PAGED, null, List.of(), 90, 3, new Step.Rest()),
        new Row("room", PAGED, new Waiting(40, 0), List.of(), 0, 0, new Step.Admit()),
        new Row("exactly room", PAGED, new Waiting(160, 0), List.of(), 0, 0, new Step.Admit()),
        new Row("blocks are whole", PAGED, new Waiting(145, 0), List.of(), 1, 1, new Step.Evict()),
        new Row(
            "a shared prefix needs no room",
            PAGED,
            new Waiting(100, 80),
            List.of(),
            128,
            1,
            new Step.Admit()),
        new Row(
            "promised cells are taken",
            PAGED,
            new Waiting(64, 0),
            List.of(running(0, 90, 90)),
            90,
            0,
            new Step.Decode(List.of(0))),
        new Row(
            "kept cells give way",
            PAGED,
            new Waiting(48, 0),
            List.of(running(0, 48, 48)),
            100,
            1,
            new Step.Evict()),
        new Row(
            "no more sequences than allowed",
            PAGED,
            new Waiting(16, 0),
            List.of(running(0, 16, 16), running(1, 16, 16)),
            32,
            1,
            new Step.Decode(List.of(0, 1))),
        new Row(
            "a prompt goes before answers",
            PAGED,
            null,
            List.of(running(0, 16, 16), running(1, 40, 0)),
            16,
            0,
            new Step.Prefill(List.of(new Part(1, 0, 32)))),
        new Row(
            "the rest of a prompt, and the next one in the same step",
            PAGED,
            null,
            List.of(running(0, 40, 32), running(1, 40, 16)),
            48,
            0,
            new Step.Prefill(List.of(new Part(0, 32, 40), new Part(1, 16, 40)))),
        new Row(
            "arrivals join before prompts are computed",
            PAGED,
            new Waiting(16, 0),
            List.of(running(0, 40, 0)),
            0,
            0,
            new Step.Admit()),
        new Row(
            "static: whoever is first, whatever is stored",
            STATIC,
            new Waiting(100, 0),
            List.of(),
            90,
            1,
            new Step.Admit()),
        new Row(
            "static: one at a time",
            STATIC,
            new Waiting(10, 0),
            List.of(new Running(0, 20, 20, 30)),
            20,
            0,
            new Step.Decode(List.of(0))));
  }

  @ParameterizedTest
  @MethodSource("table")
  void decides(Row row) {
    assertThat(
            Scheduler.next(
                row.limits(), new State(row.head(), row.running(), row.used(), row.kept())))
        .isEqualTo(row.expected());
  }

  @Test
  void whatFitsIsCountedInWholeBlocksOfThePool() {
    assertThat(PAGED.fits(160)).isTrue();
    assertThat(PAGED.fits(161)).isFalse();
    assertThat(PAGED.fits(Long.MAX_VALUE)).isFalse();
    assertThat(new Limits(true, 150, 16, 2, 32).fits(146)).isFalse();
    assertThat(STATIC.fits(100)).isTrue();
    assertThat(STATIC.fits(101)).isFalse();
  }
}
