package org.infinilm.svc.picker;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;

/// What becomes of gRPC's own words.
class GrpcLogTest {
  private final List<String> said = new ArrayList<>();

  /// Notes level and line.
  private final Logger to =
      (Logger)
          Proxy.newProxyInstance(
              Logger.class.getClassLoader(),
              new Class<?>[] {Logger.class},
              (proxy, method, args) -> {
                said.add(
                    method.getName() + " " + String.valueOf(args[0]).replace("{}", "" + args[1]));
                return null;
              });

  private static LogRecord record(Level level, int second, String message) {
    LogRecord r = new LogRecord(level, message);
    r.setInstant(Instant.ofEpochSecond(second));
    r.setThrown(new IllegalStateException("no preface\nHex dump: 1603"));
    return r;
  }

  @Test
  void whoSpeaksNoHttp2IsSaidInOneLineOnceAMinute() {
    GrpcLog log = new GrpcLog(to);
    for (int second : new int[] {100, 101, 159, 160}) {
      log.publish(record(Level.INFO, second, "Transport failed"));
    }
    String line = "gRPC: Transport failed: no preface Hex dump: 1603";
    assertThat(said)
        .containsExactly("warn " + line, "debug " + line, "debug " + line, "warn " + line);
  }

  @Test
  void aWarningIsSaidWheneverItIsOne() {
    GrpcLog log = new GrpcLog(to);
    for (int k = 0; k < 2; k++) {
      LogRecord r = record(Level.WARNING, 100, "{1} of {0}");
      r.setParameters(new Object[] {"x", 3});
      r.setThrown(null);
      log.publish(r);
    }
    assertThat(said).containsExactly("warn gRPC: 3 of x", "warn gRPC: 3 of x");
  }
}
