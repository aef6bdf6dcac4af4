package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
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

  private static void check(Map<String, String> flags) throws ConfigException {
    Wrongs wrong = new Wrongs();
    Config c = Config.resolve(RegistryProgram.PROGRAM.keys(), flags, Map.of("HOME", "/h"), null);
    RegistryProgram.PROGRAM.check().check(new Program.Args(c, flags, List.of(), Map.of()), wrong);
    wrong.end();
  }

  /// A heartbeat at one registry has to be heard of at the others before its lease ends.
  @Test
  void aLeaseThatCannotHoldBesideOthersIsRefused() throws Exception {
    assertThatThrownBy(() -> check(Map.of("lease", "0.2", "store", "etcd://h:1/p")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("lease: 0.2 s (expected: 1 s at least with --store)");
    check(Map.of("lease", "1", "store", "etcd://h:1/p"));
    check(Map.of("lease", "0.2"));
  }

  @ParameterizedTest
  @CsvSource({"120, 1000", "5, 1000", "4, 800", "1, 200", "0.1, 50"})
  void signsOfLifeTravelSeveralTimesALease(double leaseSeconds, long millis) {
    Duration lease = Duration.ofMillis(Math.round(leaseSeconds * 1e3));
    assertThat(EtcdPulse.every(lease)).hasMillis(millis);
  }
}
