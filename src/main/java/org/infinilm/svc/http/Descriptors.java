package org.infinilm.svc.http;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/// How many file descriptors this process may still open.
final class Descriptors {
  /// Kept for probes, logs, the registry and what libraries open.
  static final int RESERVE = 128;

  private Descriptors() {}

  /// Client connections that the limit on descriptors leaves room for, at most `wanted`: each may
  /// need one more to an instance.
  static int places(int wanted) {
    return Math.clamp((free() - RESERVE - Places.RESERVE) / 2, 1, wanted);
  }

  /// Connections to a server that proxies nothing, at most `wanted`.
  ///
  /// @param kept for the program's own calls; less where there are few
  static int served(int wanted, int kept) {
    long free = free();
    return Math.clamp(Math.max(free - kept, free / 4), 1, wanted);
  }

  private static long free() {
    return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean os
        ? os.getMaxFileDescriptorCount() - os.getOpenFileDescriptorCount()
        : Integer.MAX_VALUE;
  }
}
