package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EndingTest {
  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void stop() {
    started.forEach(Process::destroyForcibly);
  }

  @Test
  void partsEndRouterFirstAndRegistryLastAndLeftoversToo() throws Exception {
    State.Part registry = part("registry", State.Role.REGISTRY, start("exec sleep 60", "none"));
    State.Part sitter = part("paged", State.Role.BABYSITTER, start("exec sleep 60", "none"));
    State.Part router = part("router", State.Role.ROUTER, start("exec sleep 60", "none"));
    Process orphan = start("exec sleep 60", "deployment-under-test");
    Process stranger = start("exec sleep 60", "another-deployment");
    List<String> said = new ArrayList<>();

    new Ending(Ticker.SYSTEM, said::add).end(state(List.of(registry, sitter, router)));

    assertThat(said).hasSize(4);
    assertThat(said.subList(0, 3))
        .extracting(s -> s.substring(0, 5))
        .containsExactly("route", "paged", "regis");
    assertThat(orphan.waitFor(5, TimeUnit.SECONDS)).isTrue();
    assertThat(stranger.isAlive()).isTrue();
    assertThat(started).filteredOn(Process::isAlive).containsExactly(stranger);
  }

  private Process start(String script, String deployment) throws IOException {
    ProcessBuilder b = new ProcessBuilder("sh", "-c", script);
    b.environment().put(Ending.MARK, deployment);
    Process p = b.start();
    started.add(p);
    return p;
  }

  private static State.Part part(String name, State.Role role, Process p) {
    return new State.Part(
        name,
        role,
        Proc.of(p.pid()).orElseThrow(),
        1,
        URI.create("http://127.0.0.1:1/health"),
        Path.of("x.log"),
        Instant.EPOCH);
  }

  private static State state(List<State.Part> parts) {
    Proc nobody = new Proc(1, "another boot/1");
    return new State(
        "deployment-under-test",
        Instant.EPOCH,
        nobody,
        "127.0.0.1",
        1,
        2,
        new Asked(Map.of()),
        true,
        parts);
  }
}
