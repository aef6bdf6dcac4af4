package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EndReasonTest {
  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '\'',
      value = {
        "'{\"choices\":[{\"finish_reason\":\"length\",\"index\":0}]}', true",
        "'{\"choices\":[{\"finish_reason\" : \"length\"}]}', true",
        "'data: {\"finish_reason\":null}\n\ndata: {\"finish_reason\": \"length\"}', true",
        "'{\"stop_reason\":\"max_tokens\"}', true",
        "'{\"finish_reason\":\"stop\"}', false",
        "'{\"stop_reason\":\"length\"}', false",
        "'{\"stop_reason\":null,\"finish_reason\":\"length\"}', true",
        "'{\"text\":\"\\\"finish_reason\\\":\\\"length\\\"\",\"finish_reason\":\"stop\"}', false",
        "'{\"finish_reason\":\"lengthy\"}', false",
        "'{\"finish_reason\":\"len', false",
        "'{\"finish_reason\"', false",
        "'\"', false",
        "'', false",
      })
  void whatEndedForItsLengthIsTold(String text, boolean length) {
    byte[] b = text.getBytes(UTF_8);
    assertThat(EndReason.isLength(b, b.length)).isEqualTo(length);
  }
}
