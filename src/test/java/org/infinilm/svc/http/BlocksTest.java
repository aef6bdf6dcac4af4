package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlocksTest {
  @ParameterizedTest
  @CsvSource({
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d, true",
    "\u043f\u0440\u0438\u0432\u0435\u0442, true",
    "the quick brown fox, false",
    "caf\u00e9 au lait, false"
  })
  void textThatIsMostlyBeyondAsciiIsToldByAFewBytes(String text, boolean wide) {
    byte[] b = text.repeat(300).getBytes(UTF_8);
    assertThat(Blocks.isMostlyWide(b, 0, b.length)).isEqualTo(wide);
    assertThat(Blocks.isMostlyWide(b, b.length / 3, b.length)).isEqualTo(wide);
  }
}
