package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A deployment whose home is on a device of its own, where nothing can be renamed into it from
/// elsewhere: a tmpfs in a namespace. `./infini test --faults` runs it; it needs `unshare`.
class MountFaults {
  @TempDir private Path dir;

  @AfterEach
  void nothingIsLeft() {
    Proc.withEnvironment("MOUNT_TEST=" + dir).forEach(p -> p.signal(true));
  }

  @ParameterizedTest(name = "{0} on another device")
  @ValueSource(strings = {"HOME", "XDG_STATE_HOME"})
  void aDeploymentStartsIsSeenAndEndsAgainThere(String name) throws Exception {
    Checkout checkout = Checkout.in(dir.resolve("checkout"));
    Path mounted = Files.createDirectory(dir.resolve("mounted"));
    int registry = LowPorts.two();
    int router = LowPorts.two();
    Map<String, String> env =
        new TreeMap<>(Map.of("HOME", dir.toString(), "MOUNTED", "" + mounted));
    env.put(name, mounted.toString());
    env.put("MOUNT_TEST", dir.toString());
    // Twice: the second start replaces what the first one wrote.
    String words =
        "mount -t tmpfs tmpfs \"$MOUNTED\" || exit 99; infini=$1; for n in 1 2; do"
            + " \"$@\" && \"$infini\" status && \"$infini\" down || exit; done;"
            + " find \"$MOUNTED\" -type f -size +0";
    Checkout.Ran ran =
        checkout.run(
            List.of("unshare", "-Urm", "sh", "-c", words, "sh"),
            env,
            Checkout.up(registry, router, LowPorts.two(), LowPorts.two()));
    assertThat(ran.exit()).as(ran.out()).isZero();
    assertThat(ran.out())
        .contains("all ports free")
        .contains("/registry-" + registry + "/journal.jsonl")
        .contains("/run/" + router + "/router.log.1");
  }

  @Test
  void aFullDiskInTheLogFolderIsSaidAndNothingIsStarted() throws Exception {
    Path mounted = Files.createDirectory(dir.resolve("mounted"));
    String words =
        "mount -t tmpfs -o size=64k tmpfs \"$LOG_DIR\" || exit 99;"
            + " head -c 64k /dev/zero >\"$LOG_DIR\"/filler; bash script/launch_all_rust.sh;"
            + " code=$?; ls -A \"$LOG_DIR\"; exit $code";
    ProcessBuilder b =
        new ProcessBuilder("unshare", "-Urm", "sh", "-c", words).redirectErrorStream(true);
    b.environment()
        .putAll(
            Map.of(
                "LOG_DIR", "" + mounted,
                "MOUNT_TEST", "" + dir,
                "REGISTRY_PORT", "" + LowPorts.two(),
                "LAUNCH_ROUTER", "false",
                "LAUNCH_BABYSITTER", "false"));
    Process p = b.start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isEqualTo(2);
    assertThat(said)
        .contains("LOG_DIR: " + mounted + " (expected: a folder to write to, on a disk that is not")
        .endsWith("\nfiller\n");
  }
}
