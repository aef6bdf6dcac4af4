package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.UnresolvedAddressException;
import org.junit.jupiter.api.Test;

class PortOwnerTest {
  @Test
  void aNameWithoutAnAddressIsSaidToHaveNone() {
    assertThat(PortOwner.cannotListen("nope.invalid", 1, new UnresolvedAddressException()))
        .isEqualTo(
            "cannot listen on nope.invalid:1: the name has no address (expected: an address of this machine)");
  }

  @Test
  void whatTheKernelRefusesIsSaidInWords() {
    String call = "bind(..) failed with error(-99): ";
    assertThat(
            PortOwner.cannotListen(
                "10.255.77.1", 1, new IOException(call + "Cannot assign requested address")))
        .isEqualTo(
            "cannot listen on 10.255.77.1:1: no address of this machine (expected: one of its own, 127.0.0.1, or 0.0.0.0 for all)");
    assertThat(
            PortOwner.cannotListen(
                "h", 80, new IOException("bind(..) failed with error(-13): Permission denied")))
        .isEqualTo(
            "cannot listen on h:80: not permitted (expected: a port above 1023, or the right to listen below)");
    assertThat(PortOwner.cannotListen("h", 1, new IOException("something else")))
        .isEqualTo("cannot listen on h:1: something else");
  }
}
