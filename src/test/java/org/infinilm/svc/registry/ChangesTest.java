package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ChangesTest {
  @Test
  void whatChangedSinceAVersionIsKnownUntilItIsTooLongAgo() {
    Changes c = new Changes(0);
    c.note(1, List.of("a"));
    c.note(2, List.of("b", "a"));
    c.note(3, List.of());
    assertThat(c.since(0)).containsExactly("a", "b");
    assertThat(c.since(1)).containsExactly("a", "b");
    assertThat(c.since(2)).isEmpty();
    for (int v = 4; v < 9000; v++) {
      c.note(v, List.of("n" + v));
    }
    assertThat(c.since(1)).isNull();
    assertThat(c.since(8998)).containsExactly("n8999");
  }
}
