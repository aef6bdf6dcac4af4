package org.infinilm.svc.http;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/// What has come to sockets of this machine (proc(5), `/proc/net/tcp` and `tcp6`): what was written
/// or closed at the other end may come a while later, over the loopback too.
public final class Loopback {
  private static final String ESTABLISHED = "01";
  private static final Duration SOON = Duration.ofSeconds(20);

  private Loopback() {}

  /// Waits until all that was written from one port to another lies in the kernel of the other
  /// side.
  public static void awaitDelivered(int from, int to) {
    await(from, to, f -> f == null || f[4].startsWith("00000000:"));
  }

  /// Waits until the other side's kernel knows that its peer has ended or reset it.
  public static void awaitEnded(int port, int peer) {
    await(port, peer, f -> f == null || !f[3].equals(ESTABLISHED));
  }

  private static void await(int port, int peer, Predicate<String @Nullable []> until) {
    Awaitility.await()
        .atMost(SOON)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(1))
        .until(() -> until.test(socket(port, peer)));
  }

  private static String @Nullable [] socket(int port, int peer) throws IOException {
    List<String> sockets = new ArrayList<>(Files.readAllLines(Path.of("/proc/net/tcp")));
    sockets.addAll(Files.readAllLines(Path.of("/proc/net/tcp6")));
    for (String line : sockets) {
      String[] f = line.strip().split("\\s+");
      if (f[1].endsWith(String.format(Locale.ROOT, ":%04X", port))
          && f[2].endsWith(String.format(Locale.ROOT, ":%04X", peer))) {
        return f;
      }
    }
    return null;
  }
}
