package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The file of what was learned where it is a link, and where it cannot be.
class LearnedStateTest {
  @TempDir private Path folder;

  private static void looked(Map<String, String> flags) throws ConfigException {
    Learning.forStart(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aLinkStaysOneAndWhatItMeansIsWritten(boolean there) throws Exception {
    Path real = Files.createDirectory(folder.resolve("volume")).resolve("state.json");
    Path link = folder.resolve("link.json");
    Files.createSymbolicLink(link, Path.of("middle.json"));
    Files.createSymbolicLink(folder.resolve("middle.json"), real);
    if (there) {
      new LearnedState(real).save(LearnedState.worded(Map.of("old", Map.of()), Map.of()));
    }
    looked(Map.of("learned_state", link.toString()));
    new LearnedState(link).save(LearnedState.worded(Map.of("new", Map.of()), Map.of()));
    assertThat(link).isSymbolicLink();
    assertThat(Files.readString(real)).contains("\"new\"");
    Files.writeString(real, "nonsense");
    new LearnedState(link).load((policy, rates) -> {});
    assertThat(real.resolveSibling("state.json.corrupt")).hasContent("nonsense");
    assertThat(link).isSymbolicLink();
  }

  /// Read, it would be ten times as large in memory.
  @Test
  void whatIsLargerThanAStateCanBeIsSetAsideUnread() throws Exception {
    Path file = folder.resolve("state.json");
    StringBuilder state = new StringBuilder("{\"version\":1,\"rates\":{},\"policy\":{\"m\":{}");
    for (int k = 0; state.length() <= 8 << 20; k++) {
      state.append(",\"m").append(k).append("\":{}");
    }
    Files.writeString(file, state.append("}}"));
    try (LearnedState one = new LearnedState(file)) {
      List<String> read = new ArrayList<>();
      one.load((policy, rates) -> read.addAll(policy.keySet()));
      assertThat(read).isEmpty();
    }
    assertThat(file).doesNotExist();
    assertThat(file.resolveSibling("state.json.corrupt")).exists();
  }

  @Test
  void whatCouldNotBeReadAgainIsNotWritten() throws Exception {
    Path file = folder.resolve("state.json");
    try (LearnedState one = new LearnedState(file)) {
      one.load((policy, rates) -> {});
      byte[] small = LearnedState.worded(Map.of("one", Map.of()), Map.of());
      one.save(small);
      one.save(new byte[(8 << 20) + 1]);
      assertThat(Files.readAllBytes(file)).isEqualTo(small);
      assertThat(one.lost()).isEqualTo(1);
    }
  }

  @Test
  void aSecondRouterReadsItAndKeepsNothingInIt() throws Exception {
    Path file = folder.resolve("state.json");
    try (LearnedState one = new LearnedState(file);
        LearnedState other = new LearnedState(file)) {
      one.load((policy, rates) -> {});
      one.save(LearnedState.worded(Map.of("one", Map.of()), Map.of()));
      List<String> read = new ArrayList<>();
      other.load((policy, rates) -> read.addAll(policy.keySet()));
      assertThat(read).containsExactly("one");
      other.save(LearnedState.worded(Map.of("other", Map.of()), Map.of()));
      assertThat(file).content().contains("\"one\"");
      Files.writeString(file, "nonsense");
      other.load((policy, rates) -> {});
      assertThat(file).hasContent("nonsense");
    }
    try (LearnedState next = new LearnedState(file)) {
      next.load((policy, rates) -> {});
      next.save(LearnedState.worded(Map.of("next", Map.of()), Map.of()));
      assertThat(file).content().contains("\"next\"");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"learned_state", "decision_log"})
  void whatCanNeverBeWrittenEndsTheStartAndStaysAsItIs(String key) throws Exception {
    Path inside = Files.createFile(Files.createDirectory(folder.resolve("d")).resolve("precious"));
    String flag = "--" + key.replace('_', '-');
    assertThatThrownBy(() -> looked(Map.of(key, folder.resolve("d").toString())))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            flag + ": " + folder.resolve("d") + " is a folder (expected: a file, or none yet)");
    assertThat(inside).exists();
    Path none = folder.resolve("none").resolve("f");
    assertThatThrownBy(() -> looked(Map.of(key, none.toString())))
        .hasMessage(
            flag
                + ": "
                + none
                + ": no folder "
                + none.getParent()
                + " (expected: one that exists)");
    assertThatCode(() -> looked(Map.of(key, folder.resolve("f").toString())))
        .doesNotThrowAnyException();
    assertThat(List.of(folder.toFile().list())).as("nothing is made").containsExactly("d");
  }

  @Test
  void bothAreToldAtOnce() {
    assertThatThrownBy(
            () -> looked(Map.of("learned_state", "/none/a", "decision_log", folder.toString())))
        .hasMessageContaining("--learned-state: /none/a: no folder /none")
        .hasMessageContaining("--decision-log: " + folder + " is a folder");
  }
}
