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
  private static final Limits PAGED = new Limits(true, 160, 16, 2, 32, 0);

  private static final Limits CHUNKED = new Limits(true, 160, 16, 3, 32, 8);
  private static final Limits STATIC = new Limits(false, 100, 16, 1, 32, 0);

  record Row(String name, Limits limits, State state, Step expected) {
    @Override
    public String toString() {
      return name;
    }
  }

  /// @param used cells in use
  private static Row row(
      String name,
      Limits limits,
      @Nullable Waiting head,
      List<Running> running,
      int used,
      Step expected) {
    return new Row(name, limits, new State(head, running, used, 0), expected);
  }

  private static Waiting waiting(int tokens, int cached) {
    return new Waiting(tokens, cached, false);
  }

  /// A running sequence of this prompt with so much of it stored, and 16 tokens for the answer.
  private static Running running(int index, int prompt, int stored) {
    return running(index, prompt, stored, 0, 0);
  }

  private static Running running(int index, int prompt, int stored, int sharable, int expected) {
    return new Running(index, prompt, stored, PAGED.reservation(prompt + 16), sharable, expected);
  }

  private static Step prefill(Part... parts) {
    return new Step.Compute(List.of(parts), List.of());
  }

  private static Step answers(Integer... indexes) {
    return new Step.Compute(List.of(), List.of(indexes));
  }

  static Stream<Row> admission() {
    return Stream.of(
        row("nothing to do", PAGED, null, List.of(), 0, new Step.Rest()),
        row("room", PAGED, waiting(40, 0), List.of(), 0, new Step.Admit()),
        row("exactly room", PAGED, waiting(160, 0), List.of(), 0, new Step.Admit()),
        row("blocks are whole", PAGED, waiting(145, 0), List.of(), 1, new Step.Rest()),
        row(
            "a shared prefix needs no room",
            PAGED,
            waiting(100, 80),
            List.of(),
            128,
            new Step.Admit()),
        row(
            "promised cells are taken",
            PAGED,
            waiting(64, 0),
            List.of(running(0, 90, 90)),
            90,
            answers(0)),
        row(
            "no more sequences than allowed",
            PAGED,
            waiting(16, 0),
            List.of(running(0, 16, 16), running(1, 16, 16)),
            32,
            answers(0, 1)),
        row(
            "arrivals join before prompts are computed",
            PAGED,
            waiting(16, 0),
            List.of(running(0, 40, 0)),
            0,
            new Step.Admit()),
        row(
            "who has waited too long leaves, even when nobody may join",
            PAGED,
            new Waiting(16, 0, true),
            List.of(running(0, 16, 16), running(1, 16, 16)),
            32,
            new Step.Expire()),
        row(
            "static: whoever is first, whatever is stored",
            STATIC,
            waiting(100, 0),
            List.of(),
            90,
            new Step.Admit()),
        row(
            "static: one at a time",
            STATIC,
            waiting(10, 0),
            List.of(new Running(0, 20, 20, 30, 0, 0)),
            20,
            answers(0)));
  }

  static Stream<Row> steps() {
    return Stream.of(
        row(
            "a prompt goes before answers",
            PAGED,
            null,
            List.of(running(0, 16, 16), running(1, 40, 0)),
            16,
            prefill(new Part(1, 0, 32))),
        row(
            "the rest of a prompt, and the next one in the same step",
            PAGED,
            null,
            List.of(running(0, 40, 32), running(1, 40, 16)),
            48,
            prefill(new Part(0, 32, 40), new Part(1, 16, 40))),
        new Row(
            "after as many prompts as sequences, answers get a token",
            PAGED,
            new State(null, List.of(running(0, 16, 16), running(1, 40, 0)), 16, 2),
            answers(0)),
        new Row(
            "unless there are none",
            PAGED,
            new State(null, List.of(running(0, 40, 0)), 16, 2),
            prefill(new Part(0, 0, 32))),
        row(
            "chunked: answers and a part of a prompt",
            CHUNKED,
            null,
            List.of(running(0, 16, 16), running(1, 40, 16), running(2, 16, 0)),
            32,
            new Step.Compute(List.of(new Part(1, 16, 24)), List.of(0))),
        row(
            "chunked: the end of one prompt and the beginning of the next",
            CHUNKED,
            null,
            List.of(running(0, 20, 17), running(1, 40, 0)),
            17,
            prefill(new Part(0, 17, 20), new Part(1, 0, 5))),
        row(
            "chunked: nothing but answers",
            CHUNKED,
            null,
            List.of(running(0, 20, 21), running(1, 40, 40)),
            61,
            answers(0, 1)));
  }

  static Stream<Row> sharing() {
    return Stream.of(
        row(
            "a prompt that another is computing waits for it",
            PAGED,
            null,
            List.of(running(0, 48, 16), running(1, 48, 0, 16, 32)),
            16,
            prefill(new Part(0, 16, 48))),
        row(
            "then shares it",
            PAGED,
            null,
            List.of(running(0, 48, 48), running(1, 48, 0, 32, 32)),
            48,
            new Step.Share(1, 32)),
        row(
            "and computes the rest",
            PAGED,
            null,
            List.of(running(0, 48, 48), running(1, 48, 32, 32, 32)),
            48,
            prefill(new Part(1, 32, 48))),
        row(
            "a request that shares what is being computed is admitted beside it",
            PAGED,
            waiting(96, 80),
            List.of(running(0, 96, 0)),
            0,
            new Step.Admit()),
        row(
            "what it will share is promised once",
            CHUNKED,
            waiting(32, 0),
            List.of(running(0, 96, 16), running(1, 80, 0, 16, 80)),
            16,
            new Step.Admit()),
        row(
            "and no more than that",
            CHUNKED,
            waiting(33, 0),
            List.of(running(0, 96, 16), running(1, 80, 0, 16, 80)),
            16,
            prefill(new Part(0, 16, 24))));
  }

  @ParameterizedTest
  @MethodSource({"admission", "steps", "sharing"})
  void decides(Row row) {
    assertThat(Scheduler.next(row.limits(), row.state())).isEqualTo(row.expected());
  }

  @Test
  void whatFitsIsCountedInWholeBlocksOfThePool() {
    assertThat(PAGED.fits(160)).isTrue();
    assertThat(PAGED.fits(161)).isFalse();
    assertThat(PAGED.fits(Long.MAX_VALUE)).isFalse();
    assertThat(new Limits(true, 150, 16, 2, 32, 0).fits(146)).isFalse();
    assertThat(STATIC.fits(100)).isTrue();
    assertThat(STATIC.fits(101)).isFalse();
  }
}
