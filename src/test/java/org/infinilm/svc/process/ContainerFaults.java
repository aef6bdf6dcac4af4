package org.infinilm.svc.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Processes of a container, as the host's root or a debugging one beside it sees them: numbers and
/// paths in their environments mean something else there. `./infini test --faults` runs it; it
/// needs `unshare`.
class ContainerFaults {
  private final String instance = "container-test:" + UUID.randomUUID();

  @AfterEach
  void nothingIsLeft() {
    Proc.withEnvironment(Orphans.INSTANCE + "=" + instance).forEach(p -> p.signal(true));
  }

  private Proc sleeping(List<String> before, String namespace) throws Exception {
    List<String> command = new ArrayList<>(before);
    command.addAll(
        List.of(
            "env",
            Orphans.INSTANCE + "=" + instance,
            // A supervisor that does not live here; in its own container it may.
            Orphans.SUPERVISOR + "=2/boot/1",
            Orphans.START + "=" + instance));
    if (!namespace.isEmpty()) {
      command.add(Orphans.NAMESPACE + "=" + namespace);
    }
    command.addAll(List.of("sleep", "120"));
    new ProcessBuilder(command).start();
    Proc[] found = new Proc[1];
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> {
          for (Proc p : Proc.withEnvironment(Orphans.INSTANCE + "=" + instance)) {
            if (Proc.commandLine(p.pid()).getFirst().endsWith("sleep")) {
              found[0] = p;
            }
          }
          return found[0] != null;
        });
    return found[0];
  }

  @ParameterizedTest(name = "{0}, supervisor of {1}")
  @CsvSource({"true, pid:[1]", "false, pid:[1]", "true, ''"})
  void whatAnotherContainersSupervisorLooksAfterStays(boolean inside, String namespace)
      throws Exception {
    List<String> before =
        inside ? List.of("unshare", "-Urpfm", "--mount-proc", "--kill-child") : List.of();
    Proc p = sleeping(before, namespace);
    assertThat(Proc.sharesPids(p.pid())).isEqualTo(!inside);
    assertThat(Proc.sharesFiles(p.pid())).isEqualTo(!inside);
    List<Long> ended = Orphans.end(instance, Duration.ofSeconds(1), Ticker.SYSTEM);
    assertThat(ended).doesNotContain(p.pid());
    assertThat(p.alive()).isTrue();
    assertThat(Proc.valuesOf(Orphans.START).contains(instance)).isEqualTo(!inside);
  }

  @ParameterizedTest(name = "namespace noted: {0}")
  @ValueSource(booleans = {true, false})
  void anOrphanOfOurOwnNamespaceEnds(boolean named) throws Exception {
    Proc p = sleeping(List.of(), named ? Proc.pidNamespace() : "");
    assertThat(Orphans.end(instance, Duration.ofSeconds(1), Ticker.SYSTEM)).contains(p.pid());
    assertThat(p.alive()).isFalse();
  }
}
