package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LeakWatchTest {
  @Test
  void aDroppedBufferIsSeenWithWhoTouchedItLast() throws Exception {
    assertThat(LeakWatch.leaks()).isEmpty();
    LeakWatch.leak("dropped on purpose");
    assertThat(LeakWatch.leaks())
        .singleElement()
        .asString()
        .contains("dropped on purpose", "LeakWatch.leak");
    assertThat(LeakWatch.leaks()).isEmpty();
  }
}
