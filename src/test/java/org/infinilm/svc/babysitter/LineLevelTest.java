package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.event.Level;

class LineLevelTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "INFO 11-28 12:00:00 [api_server.py:123] vLLM API server version 0.11 | INFO",
        "(APIServer pid=123) INFO 11-28 12:00:00 [api_server.py:1] up | INFO",
        "(EngineCore_0 pid=9) WARNING 11-28 12:00:00 [core.py:1] slow | WARN",
        "ERROR 11-28 12:00:00 [engine.py:1] died | ERROR",
        "INFO:     Started server process [1] | INFO",
        "WARNING:root:odd | WARN",
        "2026-11-28 12:00:00,123 - INFO - loaded | INFO",
        "2026-11-28T12:00:00.123Z DEBUG x | DEBUG",
        "[2026-11-28 12:00:00 TP0] CRITICAL: out of memory | ERROR",
        "[INFO] up | INFO",
        "[32mINFO[0m: up | INFO",
        "time=2026-11-28T20:37:24.424Z level=INFO source=server.go:1388 msg=up | INFO",
        "time=\"2026-11-28T20:37:24Z\" level=warning msg=\"INFO is missing\" | WARN",
        "level=error msg=died | ERROR",
        "0.00.014.808 I srv          init: initializing ... | INFO",
        "0.00.014.808 W srv  load: slow | WARN",
        "0.00.014.808 E srv  load: failed | ERROR",
        "12 I am a number of words | TRACE",
        "I am a word | TRACE",
        "levels=INFO are many | TRACE",
        "Traceback (most recent call last): | TRACE",
        "INFORMATION is no level | TRACE",
        "there was an ERROR in the text | TRACE",
        "'' | TRACE"
      })
  void aLineKeepsTheLevelThatItSays(String line, Level level) {
    assertThat(LineLevel.of(line, Level.TRACE)).isEqualTo(level);
  }

  @Test
  void aLongLineOfAnythingIsLookedAtInItsBeginning() {
    assertThat(LineLevel.of("-".repeat(8192) + "INFO", Level.WARN)).isEqualTo(Level.WARN);
    assertThat(LineLevel.of("(((".repeat(3000), Level.WARN)).isEqualTo(Level.WARN);
  }
}
