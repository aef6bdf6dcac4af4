package org.infinilm.svc.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ProcTest {
  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void stop() {
    started.forEach(Process::destroyForcibly);
  }

  @Test
  void aLivingProcessIsItselfAndAnEndedOneIsNot() throws Exception {
    Process child = start("exec sleep 60", "none");
    Proc proc = Proc.of(child.pid()).orElseThrow();

    assertThat(proc.alive()).isTrue();
    proc.signal(true);
    assertThat(child.waitFor(5, TimeUnit.SECONDS)).isTrue();
    assertThat(proc.alive()).isFalse();
  }

  @Test
  void aReusedNumberIsNeitherAliveNorSignalled() throws Exception {
    Process child = start("exec sleep 60", "none");
    Proc earlier = new Proc(child.pid(), "another boot/1");

    earlier.signal(true);

    assertThat(earlier.alive()).isFalse();
    assertThat(child.isAlive()).isTrue();
  }

  @Test
  void startTicksAreReadBehindAnyProgramName() {
    String tail = " 1 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 4711 100 10";

    assertThat(Proc.ticks("42 (a b) c) S" + tail)).contains("4711");
    assertThat(Proc.ticks("42 (defunct) Z" + tail)).isEmpty();
    assertThat(Proc.ticks("")).isEmpty();
  }

  private Process start(String script, String deployment) throws IOException {
    ProcessBuilder b = new ProcessBuilder("sh", "-c", script);
    b.environment().put("INFINI_TEST_MARK", deployment);
    Process p = b.start();
    started.add(p);
    return p;
  }
}
