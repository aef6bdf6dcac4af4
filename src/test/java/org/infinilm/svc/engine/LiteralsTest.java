package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LiteralsTest {
  @Test
  void commonBeginningsAreWrittenOnce() {
    assertThat(Literals.of(List.of("\"abc\"", "\"abd\"", "\"x\"", "1", "10", "1")))
        .isEqualTo(
            new Literals(
                "\"\\\"\" (\"ab\" (\"c\\\"\" | \"d\\\"\") | \"x\\\"\") | \"1\" (\"0\")?", 2));
    assertThat(Literals.of(List.of("a"))).isEqualTo(new Literals("\"a\"", 1));
    assertThat(Literals.of(List.of("b", "a")).expression()).isEqualTo("\"a\" | \"b\"");
  }

  @Test
  void halvesOfACharacterAreNotCommon() {
    assertThat(Literals.of(List.of("😀", "😁")).expression()).isEqualTo("\"😀\" | \"😁\"");
  }

  @Test
  void aThousandTextsThatBeginAlikeAreTenWays() {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      texts.add("a".repeat(40) + "%04d".formatted(i));
    }
    assertThat(Literals.of(texts).ways()).isEqualTo(10);
    assertThat(Literals.of(texts).expression()).startsWith("\"" + "a".repeat(40) + "0\" (");
  }
}
