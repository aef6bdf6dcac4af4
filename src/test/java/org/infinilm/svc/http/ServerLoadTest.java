package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// How much large bodies may hold together.
class ServerLoadTest {
  @ParameterizedTest
  @CsvSource({"2, 512, 32", "64, 512, 128", "64, 8192, 1024", "64, 64, 64"})
  void largeBodiesTakeAQuarterOfTheHeapAtMostAndOneAtLeast(int body, int heap, int most) {
    assertThat(ServerLoad.mostBytes(body << 20, (long) heap << 20)).isEqualTo((long) most << 20);
  }
}
