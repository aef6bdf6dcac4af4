package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.infinilm.svc.config.Key;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RegistryProgramTest {
  @ParameterizedTest(name = "XDG_STATE_HOME={0} HOME={1} port {2}: {3}")
  @CsvSource({
    "/state, /home/u, 18000, /state/infini/registry-18000",
    "'',     /home/u, 18000, /home/u/.local/state/infini/registry-18000",
    "state,  /home/u, 8081,  /home/u/.local/state/infini/registry-8081",
    "'',     '',      8081,  null",
    "/state, /home/u, 0,     null",
  })
  void theJournalsFolderComesFromTheEnvironment(
      String state, String home, int port, String expected) {
    assertThat(
            String.valueOf(
                RegistryProgram.defaultFolder(Map.of("XDG_STATE_HOME", state, "HOME", home), port)))
        .isEqualTo(expected);
  }

  @Test
  void theContractsFlagsAndDefaultsStand() {
    assertThat(RegistryProgram.PROGRAM.keys().stream().map(k -> k.flagName() + " " + Key.show(k)))
        .contains(
            "--port 8081",
            "--health-interval 30",
            "--health-timeout 5",
            "--cleanup-interval 60",
            "--host 0.0.0.0");
    assertThat(TokenKeys.TOKEN.env()).containsExactly("INFINI_REGISTRY_TOKEN");
  }
}
