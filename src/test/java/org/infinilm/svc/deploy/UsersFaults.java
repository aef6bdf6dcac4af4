package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Two users and root on one machine; run by root, which becomes the others.
class UsersFaults {
  private static final int ONE = 64_001;
  private static final int TWO = 64_002;

  private Path dir = Path.of("");

  @BeforeEach
  void aFolderThatOthersMayEnter() throws IOException {
    dir = Files.createTempDirectory("infini-users");
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @AfterEach
  void end() throws IOException {
    Proc.withEnvironment("USERS_TEST=" + dir).forEach(p -> p.signal(true));
    try (Stream<Path> all = Files.walk(dir)) {
      for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(p);
      }
    }
  }

  private static List<String> as(int user) {
    return List.of("setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups");
  }

  private Map<String, String> of(int user) throws IOException {
    Path home = dir.resolve("home-" + user);
    if (!Files.isDirectory(home)) {
      Files.createDirectory(home);
      Files.setAttribute(home, "unix:uid", user);
      Files.setAttribute(home, "unix:gid", user);
      Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwx------"));
    }
    return Map.of("HOME", home.toString(), "USERS_TEST", dir.toString());
  }

  /// The checkout is root's and neither of them may write to it.
  @Test
  void aReadOnlyCheckoutServesTwoUsersNeitherEndsTheOthersAndRootEndsBoth() throws Exception {
    Checkout shared = Checkout.in(dir.resolve("checkout"));
    int first = LowPorts.two();
    String[] up = Checkout.up(LowPorts.two(), first, LowPorts.two(), LowPorts.two());
    Checkout.Ran one = shared.run(as(ONE), of(ONE), up);
    assertThat(one.exit()).as(one.out()).isZero();

    Checkout.Ran taken = shared.run(as(TWO), of(TWO), up);
    assertThat(taken.exit()).as(taken.out()).isEqualTo(1);
    assertThat(taken.out()).contains("port " + first);
    Checkout.Ran foreign = shared.run(as(TWO), of(TWO), "down", "--router-port", "" + first);
    assertThat(foreign.out()).contains("nothing runs");
    assertThat(shared.run(as(ONE), of(ONE), "status").exit()).isZero();

    int second = LowPorts.two();
    Checkout.Ran two =
        shared.run(
            as(TWO), of(TWO), Checkout.up(LowPorts.two(), second, LowPorts.two(), LowPorts.two()));
    assertThat(two.exit()).as(two.out()).isZero();

    Map<String, String> root = Map.of("HOME", Files.createDirectory(dir.resolve("r")).toString());
    for (int port : new int[] {first, second}) {
      Checkout.Ran ended = shared.run(List.of(), root, "down", "--router-port", "" + port);
      assertThat(ended.exit()).as(ended.out()).isZero();
      assertThat(ended.out()).contains("all ports free");
    }
    assertThat(Proc.withEnvironment("USERS_TEST=" + dir)).isEmpty();
  }

  /// `sudo` that keeps HOME: what root starts runs in the user's home and is root's.
  @Test
  void whatRootStartsInAUsersHomeIsRootsToEndAndTheUserIsToldSo() throws Exception {
    Checkout shared = Checkout.in(dir.resolve("checkout"));
    Map<String, String> home = of(ONE);
    int router = LowPorts.two();
    String[] up = Checkout.up(LowPorts.two(), router, LowPorts.two(), LowPorts.two());
    Checkout.Ran started = shared.run(List.of(), home, up);
    assertThat(started.exit()).as(started.out()).isZero();
    assertThat(shared.run(List.of(), home, "status").exit()).isZero();
    String folder = home.get("HOME") + "/.local/state/infini/run";
    for (String command : List.of("status", "down")) {
      Checkout.Ran refused = shared.run(as(ONE), home, command);
      assertThat(refused.exit()).as(refused.out()).isEqualTo(1);
      assertThat(refused.out())
          .contains(folder + ": cannot be read: AccessDenied")
          .contains("(expected: a folder of this user's; XDG_STATE_HOME names another)");
    }
    Checkout.Ran ended = shared.run(List.of(), home, "down");
    assertThat(ended.exit()).as(ended.out()).isZero();
    assertThat(ended.out()).contains("all ports free");
    Checkout.Ran later = shared.run(as(ONE), home, up);
    assertThat(later.exit()).as(later.out()).isEqualTo(1);
    assertThat(later.out()).contains(folder + "/" + router + ": cannot be ");

    Map<String, String> other = new TreeMap<>(home);
    other.put("XDG_STATE_HOME", home.get("HOME") + "/state");
    Checkout.Ran own = shared.run(as(ONE), other, up);
    assertThat(own.exit()).as(own.out()).isZero();
    assertThat(shared.run(as(ONE), other, "down").exit()).isZero();
  }

  @Test
  void aHomeThatIsNotOnesOwnIsSaid() throws Exception {
    Checkout shared = Checkout.in(dir.resolve("checkout"));
    Path closed = Files.createDirectory(dir.resolve("closed"));
    Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("rwx------"));
    Checkout.Ran up =
        shared.run(
            as(ONE),
            Map.of("HOME", closed.toString()),
            Checkout.up(LowPorts.two(), LowPorts.two(), LowPorts.two(), LowPorts.two()));
    assertThat(up.exit()).isEqualTo(1);
    assertThat(up.out()).contains("cannot be made").contains("XDG_STATE_HOME");
  }
}
