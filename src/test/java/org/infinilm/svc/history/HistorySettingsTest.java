package org.infinilm.svc.history;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HistorySettingsTest {
  private static Config config(Map<String, String> flags, Map<String, String> env)
      throws ConfigException {
    return Config.resolve(HistorySettings.KEYS, flags, env, null);
  }

  @Test
  void eachSettingArrives() throws Exception {
    assertThat(
            HistorySettings.of(
                config(
                    Map.of("history", "/x/h.db", "history_days", "3", "history_usage_days", "4"),
                    Map.of("INFINI_HISTORY_MEGABYTES", "9", "INFINI_HISTORY_RATE", "0"))))
        .contains(new HistorySettings(Path.of("/x/h.db"), 3, 4, 9L << 20, 0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "OFF", "", " "})
  void offIsOff(String file) throws Exception {
    assertThat(HistorySettings.of(config(Map.of("history", file), Map.of()))).isEmpty();
    assertThat(HistorySettings.of(config(Map.of(), Map.of()))).isEmpty();
  }
}
