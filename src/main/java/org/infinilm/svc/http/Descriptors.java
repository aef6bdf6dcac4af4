package org.infinilm.svc.http;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/// How many file descriptors this process may still open.
final class Descriptors {
  /// Kept for probes, logs, the registry and what libraries open.
  private static final int RESERVE = 128;

  private Descriptors() {}

  /// Client connections that the limit on descriptors leaves room for, at most `wanted`: each may
  /// need one more to an instance.
  static int places(int wanted) {
    if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean os) {
      long free = os.getMaxFileDescriptorCount() - os.getOpenFileDescriptorCount();
      return Math.clamp((free - RESERVE - Places.RESERVE) / 2, 1, wanted);
    }
    return wanted;
  }
}
