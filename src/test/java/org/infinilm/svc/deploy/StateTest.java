package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateTest {
  private static final State STATE =
      new State(
          "a1",
          Instant.parse("2026-02-10T08:06:45Z"),
          new Proc(10, "boot/77"),
          "127.0.0.1",
          18000,
          8000,
          new Asked(Map.of("threshold", "51200", "MODEL1_DIR", "/données/a b")),
          true,
          List.of(
              new State.Part(
                  "router",
                  State.Role.ROUTER,
                  new Proc(11, "boot/78"),
                  8000,
                  URI.create("http://127.0.0.1:8000/health"),
                  Path.of("/run/router.log"),
                  Instant.parse("2026-02-10T08:06:46Z"))));

  @TempDir private Path base;

  @Test
  void whatIsWrittenIsReadBack() throws IOException {
    RunFolder folder = new RunFolder(base.resolve("deep/8000"));
    folder.create();

    folder.write(STATE);

    assertThat(folder.read()).contains(STATE);
    folder.forget();
    assertThat(folder.read()).isEmpty();
  }

  @Test
  void theFolderIsForThisUserAlone() throws IOException {
    RunFolder folder = new RunFolder(base.resolve("8000"));
    folder.create();

    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.path())))
        .isEqualTo("rwx------");
  }

  @Test
  void aBrokenStateIsSetAsideAndNothingIsInTheWay() throws IOException {
    RunFolder folder = new RunFolder(base);
    Files.writeString(base.resolve("state.json"), "{\"id\":\"x\"}");

    assertThat(folder.read()).isEmpty();
    assertThat(base.resolve("state.json.damaged")).hasContent("{\"id\":\"x\"}");
    assertThat(base.resolve("state.json")).doesNotExist();
    folder.write(STATE);
    assertThat(folder.read()).contains(STATE);
  }

  @Test
  void whatLivesOfALostDeploymentIsFoundByItsProcesses() throws Exception {
    RunFolder folder = new RunFolder(base.resolve("8000"));
    folder.create();
    List<Process> started = new ArrayList<>();
    for (String words :
        List.of(
            "registry --port 18000",
            "router --router-port 8000",
            "babysitter --config-file /x/paged.toml")) {
      List<String> command = new ArrayList<>(List.of("sh", "-c", "read -r _", "java"));
      command.addAll(List.of(words.split(" ")));
      ProcessBuilder b = new ProcessBuilder(command);
      b.environment().put(Ending.MARK, "id-under-test");
      b.environment().put(Ending.FOLDER, folder.path().toString());
      started.add(b.start());
    }
    try {
      Files.writeString(folder.path().resolve("state.json"), "half");
      State found = folder.read().orElseThrow();
      assertThat(found.id()).isEqualTo("id-under-test");
      assertThat(found.routerPort()).isEqualTo(8000);
      assertThat(found.registryPort()).isEqualTo(18000);
      assertThat(found.parts())
          .extracting(p -> p.role() + " " + p.name() + " " + p.process().pid())
          .containsExactlyInAnyOrder(
              "REGISTRY registry " + started.get(0).pid(),
              "ROUTER router " + started.get(1).pid(),
              "BABYSITTER paged " + started.get(2).pid());
      assertThat(folder.read()).contains(found);
      assertThat(Deployments.choose(Map.of("HOME", "/elsewhere"), Optional.of(8000)))
          .as("found by its processes, whatever the environment")
          .contains(folder);
      assertThat(Deployments.choose(Map.of("HOME", "/elsewhere"), Optional.empty())).isEmpty();
    } finally {
      started.forEach(Process::destroyForcibly);
    }
  }

  @Test
  void aRelativeStateFolderIsIgnoredAndAHomeThatIsNoFolderIsSaid() throws Exception {
    assertThat(RunFolder.base(Map.of("XDG_STATE_HOME", "rel", "HOME", "/h")))
        .isEqualTo(Path.of("/h/.local/state/infini/run"));
    assertThatThrownBy(() -> RunFolder.base(Map.of("HOME", "rel")))
        .hasMessageContaining("HOME: rel (expected: an absolute path");
    Path file = Files.writeString(base.resolve("file"), "");
    assertThatThrownBy(() -> new RunFolder(file.resolve("infini/run/8000")).create())
        .isInstanceOf(java.io.IOException.class)
        .hasMessageContaining("cannot be made")
        .hasMessageContaining("XDG_STATE_HOME");
  }

  @Test
  void theRunFolderIsNotThatOfOneLogin() throws ConfigException {
    assertThat(RunFolder.base(Map.of("XDG_RUNTIME_DIR", base.toString(), "HOME", "/h")))
        .isEqualTo(Path.of("/h/.local/state/infini/run"));
    assertThat(RunFolder.base(Map.of("XDG_RUNTIME_DIR", "/no/such", "XDG_STATE_HOME", "/s")))
        .isEqualTo(Path.of("/s/infini/run"));
    assertThat(RunFolder.base(Map.of("HOME", "/h")))
        .isEqualTo(Path.of("/h/.local/state/infini/run"));
    assertThatThrownBy(() -> RunFolder.base(Map.of())).hasMessageContaining("HOME");
  }

  @Test
  void deploymentsAreFoundByTheirRoutersPort() throws Exception {
    Map<String, String> env = Map.of("XDG_STATE_HOME", base.toString());
    for (int port : new int[] {8000, 9000}) {
      RunFolder folder = RunFolder.of(env, port);
      folder.create();
      folder.write(STATE);
    }

    assertThat(RunFolder.present(env, null)).hasSize(2);
    assertThat(Deployments.choose(env, Optional.of(9000))).contains(RunFolder.of(env, 9000));
    assertThatThrownBy(() -> Deployments.choose(env, Optional.empty()))
        .hasMessageContaining("8000, 9000");
    assertThat(Deployments.choose(env, Optional.of(1))).isEmpty();
  }

  @Test
  void aNewLogKeepsTheOneBefore() throws IOException {
    RunFolder folder = new RunFolder(base);
    Files.writeString(folder.log("router"), "first\n");

    Path second = folder.log("router");

    assertThat(second).isEmptyFile();
    assertThat(base.resolve("router.log.1")).hasContent("first");
  }

  @Test
  void theTailOfALogIsItsLastLines() throws IOException {
    Path log = base.resolve("x.log");
    Files.writeString(log, "é\n".repeat(20_000) + "one\ntwo\nthree\n", StandardCharsets.UTF_8);

    assertThat(RunFolder.tail(log, 2)).containsExactly("two", "three");
    assertThat(RunFolder.tail(base.resolve("none.log"), 2))
        .singleElement()
        .asString()
        .contains("cannot be read");
  }

  @Test
  void aSecondHolderIsRefusedTheLock() throws IOException {
    RunFolder folder = new RunFolder(base);
    try (var held = folder.lock()) {
      assertThat(held).isNotNull();
      assertThat(folder.lock()).isNull();
    }
  }
}
