package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LightBytesTest {
  private static long light(String document, int piece) {
    LightBytes l = new LightBytes();
    byte[] b = document.getBytes(UTF_8);
    for (int k = 0; k < b.length; k += piece) {
      l.feed(b, k, Math.min(b.length, k + piece));
    }
    return l.light();
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "word,0",
        "two words,1",
        "`    `,4",
        "{-=},4",
        "xxxxxxxx,7",
        "0000,3",
        "a-b-c,2",
        "\\n\\t\\\"\\\\,4",
        "\\u0020\\u0041,1",
        "模型,0",
        "──────,15",
        "\\u2500\\u2500\\u2500,6",
        "\\u00fc\\u00fc,2",
        "😀😀😀,8",
        "naïve,0",
      })
  void whiteSpaceMarksAndRepeatedCharactersAreLight(String text, long expected) {
    assertThat(light(text, 1000)).isEqualTo(expected);
    assertThat(light(text, 1)).as("in pieces").isEqualTo(expected);
  }
}
