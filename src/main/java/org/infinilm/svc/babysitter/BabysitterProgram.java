package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.process.Subreaper;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini babysitter`: keeps one inference server alive and registered.
public final class BabysitterProgram {
  public static final Program PROGRAM =
      new Program(
          "babysitter",
          "Keep one inference server alive and registered.",
          Flags.ALL,
          Map.of(),
          "",
          false,
          BabysitterProgram::run,
          (args, wrong) -> {
            wrong.in(() ->
                SettingsReader.forStart(args.config(), LocalAddress::toward, System.getenv()));
            return List.of();
          });

  private static final Logger log = LoggerFactory.getLogger("babysitter");

  private BabysitterProgram() {}

  /// What `file` and the environment put in force, one line a value; nothing is started.
  ///
  /// @throws ConfigException for what would stop a start
  public static List<String> check(Path file, Map<String, String> env) throws ConfigException {
    return FileCheck.lines(file, env);
  }

  /// What JSON Schema says of a babysitter's file, without title and description.
  public static Map<String, Object> fileSchema() {
    return FileSchema.schema();
  }

  private static int run(Program.Args args)
      throws ConfigException, IOException, InterruptedException {
    // What the server leaves behind at once is to fall to us, so it is started after that; the
    // files are read meanwhile. Our own engine leaves nothing behind and need not wait.
    Thread reaper = Thread.ofPlatform().name("subreaper").start(Subreaper::become);
    Settings s = SettingsReader.forStart(args.config(), LocalAddress::toward, System.getenv());
    List<String> argv = s.backend().argv(s, System.getenv("INFINI_HOME"));
    s.warnings().forEach(w -> log.warn("{}", w));
    Lifetime life =
        Lifetime.ofProcess(s.drainTimeout().plus(s.stopGrace()).plus(Duration.ofSeconds(11)));
    // A thread that is not ours to begin again (of the HTTP library) is missed by everybody: what
    // is left ends in good order, and whoever started this process starts it again.
    Thread.setDefaultUncaughtExceptionHandler((thread, e) -> {
      if (e instanceof Error && !thread.isVirtual()) {
        life.end(1);
      }
      Background.say(() -> "thread " + thread.getName() + " ended by an error", e);
    });
    if (!s.backend().type().isOurs()) {
      reaper.join();
    }
    Babysitter babysitter;
    try {
      babysitter = Babysitter.start(s, argv, Ticker.SYSTEM, life::end);
    } catch (IOException e) {
      life.end(1);
      throw e;
    }
    life.onEnd(babysitter::close);
    life.onHurry(babysitter::hurry);
    if (s.tls().listens()) {
      life.onHangUp(babysitter::reload);
    }
    log.info(
        "[{}] babysitter on {}:{}, server at {}, registry {}",
        s.name(),
        s.addresses().bind(),
        s.ownPort(),
        Entries.url(s.addresses().advertise(), s.port()),
        s.registry() == null ? "none" : s.registry());
    return life.await();
  }
}
