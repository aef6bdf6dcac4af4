package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// One deployment seen from cron, a login, a service without a home, and a second checkout.
class EnvironmentsIT {
  private static final List<String> PLAIN = List.of();
  private static final List<String> WIDE = List.of("sh", "-c", "umask 000; exec \"$@\"", "sh");

  @TempDir private Path dir;

  @AfterEach
  void nothingIsLeft() {
    Proc.withEnvironment("ENVIRONMENTS_TEST=" + dir).forEach(p -> p.signal(true));
  }

  @Test
  void cronStartsItALoginSeesItASecondCheckoutIsToldAndAServiceWithoutAHomeEndsIt()
      throws Exception {
    Checkout one = Checkout.in(dir.resolve("a checkout ü"));
    Checkout two = Checkout.in(dir.resolve("another"));
    String home = Files.createDirectories(dir.resolve("hôme of mine")).toString();
    int router = LowPorts.two();
    String[] up = Checkout.up(LowPorts.two(), router, LowPorts.two(), LowPorts.two());
    String mark = dir.toString();

    Map<String, String> cron = Map.of("HOME", home, "LC_ALL", "C", "ENVIRONMENTS_TEST", mark);
    Checkout.Ran started = one.run(WIDE, cron, up);
    assertThat(started.exit()).as(started.out()).isZero();
    try (Stream<Path> written = Files.walk(Path.of(home, ".local", "state", "infini"))) {
      for (Path p : written.toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(p)))
            .as(p.toString())
            .isEqualTo(Files.isDirectory(p) ? "rwx------" : "rw-------");
      }
    }
    assertThat(started.out()).contains("hôme of mine");

    Map<String, String> login =
        Map.of(
            "HOME",
            home,
            "LANG",
            "C.UTF-8",
            "XDG_RUNTIME_DIR",
            dir.resolve("none").toString(),
            "XDG_CACHE_HOME",
            dir.resolve("cache").toString());
    Checkout.Ran seen = one.run(PLAIN, login, "status");
    assertThat(seen.exit()).as(seen.out()).isZero();
    assertThat(two.run(PLAIN, login, "status").exit())
        .as("it belongs to the user, not to the checkout")
        .isZero();

    Map<String, String> other =
        Map.of("HOME", Files.createDirectories(dir.resolve("other")).toString());
    Checkout.Ran refused = two.run(PLAIN, other, up);
    assertThat(refused.exit()).as(refused.out()).isEqualTo(1);
    assertThat(refused.out()).contains("port " + router).contains("by pid");

    Checkout.Ran nameless = two.run(PLAIN, Map.of(), "status", "--router-port", "" + router);
    assertThat(nameless.exit()).as(nameless.out()).isZero();
    Checkout.Ran ended = two.run(PLAIN, Map.of(), "down", "--router-port", "" + router);
    assertThat(ended.exit()).as(ended.out()).isZero();
    assertThat(ended.out()).contains("all ports free");
    assertThat(Proc.withEnvironment("ENVIRONMENTS_TEST=" + mark)).isEmpty();
  }
}
