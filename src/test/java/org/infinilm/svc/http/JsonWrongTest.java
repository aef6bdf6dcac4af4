package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonWrongTest {
  /// The library's own words on its sources stood in logs and on the page.
  @ParameterizedTest
  @ValueSource(
      strings = {"[{\"name\":\"slow\"", "{damaged", "{\"a\":1}}", "{\"a\":1,\"a\":2}", "tru"})
  void whatIsWrongIsOneLineAboutTheDocument(String document) {
    JsonProcessingException e =
        catchThrowableOfType(
            JsonProcessingException.class, () -> Json.tree(document.getBytes(UTF_8)));
    assertThat(Json.wrong(e))
        .isNotBlank()
        .doesNotContain("Source", "REDACTED", "StreamRead", "JSON String", "\n");
  }

  @Test
  void theLibrarysWordsOnItselfAreNotSaid() {
    assertThat(wrong("garbage")).isEqualTo("'garbage' is no value of JSON");
    assertThat(wrong("[".repeat(100_000)))
        .isEqualTo("Document nesting depth (1001) exceeds the maximum allowed (1000)");
  }

  private static String wrong(String document) {
    return Json.wrong(
        catchThrowableOfType(
            JsonProcessingException.class, () -> Json.tree(document.getBytes(UTF_8))));
  }
}
