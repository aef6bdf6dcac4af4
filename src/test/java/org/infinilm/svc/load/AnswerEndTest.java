package org.infinilm.svc.load;

import static org.assertj.core.api.Assertions.assertThat;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnswerEndTest {
  @ParameterizedTest
  @CsvSource({
    "length, true, 128, 128, true, true",
    "length, true, 43, 128, true, false",
    "length, true, 43, 128, false, false",
    "stop, true, 43, 128, false, true",
    "stop, true, 43, 128, true, false",
    ", true, 43, 128, false, true",
    ", true, 43, 128, true, false",
    ", false, 128, 128, false, false",
    "stop, false, 20, 128, false, true",
    "tool_calls, true, 20, 128, false, true",
    "abort, true, 128, 128, false, false",
    "error, true, -1, 0, false, false",
    "length, true, -1, 128, true, true",
    "length, true, 43, 0, true, true",
  })
  void anAnswerThatWasCutOffIsNoWholeOne(
      @Nullable String reason,
      boolean closed,
      int tokens,
      int asked,
      boolean ignoreEnd,
      boolean whole) {
    assertThat(AnswerEnd.missing(reason, closed, tokens, asked, 1, 1, ignoreEnd) == null)
        .isEqualTo(whole);
  }

  @Test
  void oneOfSeveralAnswersMayBeShorterThanTheOneThatRanToItsLength() {
    assertThat(AnswerEnd.missing("stop", true, 200, 256, 2, 2, false)).isNull();
    assertThat(AnswerEnd.missing("stop", true, 200, 256, 2, 2, true)).startsWith("200 of 256");
    assertThat(AnswerEnd.missing("length", true, 200, 256, 2, 2, false)).startsWith("200 of 256");
  }

  @Test
  void anAnswerWithoutTheEndOfOneOfItsChoicesWasCutOff() {
    assertThat(AnswerEnd.missing("stop", true, 32, 32, 1, 2, false)).startsWith("1 of 2 choices");
    assertThat(AnswerEnd.missing(null, true, 32, 32, 0, 2, false)).as("none says why").isNull();
  }

  @ParameterizedTest
  @CsvSource({
    ", stop, stop",
    "length, stop, stop",
    "stop, length, stop",
    "length, length, length",
    "abort, stop, abort",
    "stop, abort, abort",
    "length, Cancelled, Cancelled",
    "timeout, length, timeout"
  })
  void theWorstReasonOfSeveralChoicesCounts(@Nullable String one, String other, String together) {
    assertThat(AnswerEnd.together(one, other)).isEqualTo(together);
  }
}
