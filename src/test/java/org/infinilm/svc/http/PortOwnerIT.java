package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import org.junit.jupiter.api.Test;

class PortOwnerIT {
  /// B31: it named the holder with its whole command line, in which keys stand.
  @Test
  void theHolderOfAPortIsNamedByItsPidAndProgramAlone() throws Exception {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThat(PortOwner.find(s.getLocalPort()).orElseThrow())
          .matches("pid " + ProcessHandle.current().pid() + " \\([^ ]*java\\)");
    }
  }

  @Test
  void aTitleThatAProgramGaveItselfIsCutToItsFirstWord() {
    assertThat(PortOwner.program("vllm: serve --api-key sk-1\0")).isEqualTo(" (vllm:)");
    assertThat(PortOwner.program("/usr/bin/python3\0x.py\0--api-key\0sk-1\0"))
        .isEqualTo(" (/usr/bin/python3)");
    assertThat(PortOwner.program("x".repeat(500))).hasSizeLessThan(200);
    assertThat(PortOwner.program("")).isEmpty();
  }
}
