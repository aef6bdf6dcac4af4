package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class PieceTreeTest {
  private static PieceTree tree(List<String> pieces, int... ends) {
    return new PieceTree(
        pieces.stream().map(s -> s.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new), ends);
  }

  @Test
  void aTokenIsBelowTheLongestThatItBeginsWith() {
    PieceTree t = tree(List.of("abc", "a", "", "ab", "b", "end", "abd", "ab", "e"), 5, 2);
    assertThat(t.levels()).isEqualTo(4);
    assertThat(t.level(0)).containsExactly(1, 2, 4, 5, 8);
    assertThat(t.level(1)).containsExactly(3);
    assertThat(t.level(2)).containsExactly(7);
    assertThat(t.level(3)).containsExactly(0, 6);
    assertThat(t.above(3)).isEqualTo(1);
    assertThat(t.above(0)).as("one of two that are equal").isEqualTo(7);
    assertThat(t.above(5)).as("an end stands alone").isEqualTo(-1);
    assertThat(t.size()).isEqualTo(9);
  }
}
