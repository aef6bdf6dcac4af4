package org.infinilm.svc.picker;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.router.Choosing;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini picker`: Envoy's endpoint picker with the router's policies.
public final class PickerProgram {
  private static final Key<Integer> PORT =
      Key.port("picker_port", 9002, "port that Envoy's ext_proc filter asks, over gRPC")
          .shownFirst()
          .orFlag("--port");
  private static final Key<Integer> HEALTH_PORT =
      Key.port("health_port", 9003, "port of gRPC health checks, always without TLS").shownFirst();
  private static final Key<Long> FALLBACKS =
      Key.whole(
              "fallbacks",
              2L,
              0,
              7,
              "endpoints that Envoy is told to ask when the chosen one cannot be reached; 0 for clusters that take one address alone (original_dst)")
          .shownFirst();

  public static final Program PROGRAM =
      new Program(
          "picker",
          "Envoy's endpoint picker (ext_proc) with the router's policies.",
          Stream.<List<Key<?>>>of(List.of(PORT, HEALTH_PORT, FALLBACKS), Choosing.KEYS)
              .flatMap(List::stream)
              .toList(),
          Choosing.REPEATABLE,
          "",
          true,
          PickerProgram::run,
          Choosing.CHECK);

  private static final Logger LOG = LoggerFactory.getLogger(PickerProgram.class);

  /// For closing connections and ending threads, beside the times that are set.
  private static final Duration END = Duration.ofSeconds(5);

  private PickerProgram() {}

  /// Starts a picker.
  static PickerServer start(Program.Args args) throws ConfigException, IOException {
    Config c = args.config();
    Choosing choosing = Choosing.open(args, Ticker.SYSTEM);
    try {
      return new PickerServer(
          choosing, c.get(PORT), c.get(HEALTH_PORT), c.get(FALLBACKS).intValue());
    } catch (IOException e) {
      choosing.close();
      throw e;
    }
  }

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    args.config().warnings().forEach(LOG::warn);
    try (PickerServer picker = start(args)) {
      Choosing.endWithThreads();
      Lifetime life = Lifetime.ofProcess(END.plus(picker.longestEnd()));
      life.onEnd(picker::close);
      life.onEnd(picker::drain);
      life.onHangUp(picker::reload);
      LOG.info(
          "picker on port {}, health on {}, own routes on {}",
          picker.port(),
          picker.healthPort(),
          picker.adminPort());
      return life.await();
    } catch (IOException e) {
      System.err.println("picker: " + e.getMessage());
      return 1;
    }
  }
}
