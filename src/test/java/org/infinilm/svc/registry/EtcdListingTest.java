package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collections;
import java.util.List;
import org.infinilm.svc.etcd.KeyValue;
import org.junit.jupiter.api.Test;

class EtcdListingTest {
  private static List<KeyValue> fifty(int bytes) {
    return Collections.nCopies(50, new KeyValue("key", new byte[bytes], 1, 1));
  }

  @Test
  void aPageIsAsLongAsItsKeysAreSmall() {
    assertThat(EtcdListing.keysOfAPage(fifty(800))).isEqualTo(500);
    assertThat(EtcdListing.keysOfAPage(fifty(4000))).isBetween(120, 135);
  }

  @Test
  void itIsNeverShorterThanTheFirst() {
    assertThat(EtcdListing.keysOfAPage(fifty(1 << 20))).isEqualTo(50);
    assertThat(EtcdListing.keysOfAPage(List.of())).isEqualTo(50);
  }
}
