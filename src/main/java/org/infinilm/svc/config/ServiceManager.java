package org.infinilm.svc.config;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells systemd, where it started this process as a service of `Type=notify`, how the process
/// stands; elsewhere nothing. The protocol is sd_notify(3): datagrams to the socket that
/// NOTIFY_SOCKET names, which Java cannot send by itself, so systemd's own program does it.
final class ServiceManager {
  static final String SOCKET = "NOTIFY_SOCKET";

  private static final Logger LOG = LoggerFactory.getLogger(ServiceManager.class);
  private static final String PROGRAM = "systemd-notify";
  private static final long LIMIT_SECONDS = 5;

  private ServiceManager() {}

  /// Everything is up. Returns at once.
  static void ready(Map<String, String> env) {
    if (!env.getOrDefault(SOCKET, "").isEmpty()) {
      Thread.ofPlatform().daemon().name("service manager").start(() -> say("--ready"));
    }
  }

  private static void say(String what) {
    try {
      Process p =
          new ProcessBuilder(List.of(PROGRAM, what))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!p.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
        p.destroyForcibly();
        LOG.warn("{} {} does not end", PROGRAM, what);
      } else if (p.exitValue() != 0) {
        LOG.warn("{} {} ended with {}", PROGRAM, what, p.exitValue());
      }
    } catch (IOException e) {
      LOG.warn("{} is set, but the service manager cannot be told: {}", SOCKET, e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
