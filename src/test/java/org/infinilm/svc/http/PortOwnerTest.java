package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.channels.UnresolvedAddressException;
import org.junit.jupiter.api.Test;

class PortOwnerTest {
  @Test
  void aNameWithoutAnAddressIsSaidToHaveNone() {
    assertThat(PortOwner.cannotListen("nope.invalid", 1, new UnresolvedAddressException()))
        .isEqualTo(
            "cannot listen on nope.invalid:1: the name has no address (expected: an address of this machine)");
  }
}
