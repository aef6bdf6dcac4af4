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
    assertThat(AnswerEnd.missing(reason, closed, tokens, asked, 1, ignoreEnd) == null)
        .isEqualTo(whole);
  }

  @Test
  void oneOfSeveralAnswersMayBeShorterThanTheOneThatRanToItsLength() {
    assertThat(AnswerEnd.missing("length", true, 200, 256, 2, false)).isNull();
    assertThat(AnswerEnd.missing("length", true, 200, 256, 2, true)).startsWith("200 of 256");
  }
}
