package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.process.Orphans;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// Starts the supervised process, when its port is free, and keeps what it prints.
final class Launcher implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger("babysitter");

  private final Settings settings;
  private final List<String> argv;
  private static final long MAX_FILE_BYTES = 16 << 20;
  private static final int KEPT_FILES = 3;
  private static final int ROOM_LINES = 4096;

  private final LogTail logs;
  private final @Nullable LineQueue file;
  private final @Nullable RotatingFile written;
  private final String run = UUID.randomUUID().toString();

  Launcher(Settings settings, List<String> argv, LogTail logs) {
    this.settings = settings;
    this.argv = argv;
    this.logs = logs;
    Path path = settings.logFile();
    RotatingFile to = path == null ? null : new RotatingFile(path, MAX_FILE_BYTES, KEPT_FILES);
    this.written = to;
    this.file = to == null ? null : new LineQueue(String.valueOf(path), ROOM_LINES, to::add);
  }

  /// Lets the server's file go; what it says afterwards is lost.
  @Override
  public void close() {
    if (file != null && written != null) {
      file.close();
      written.close();
    }
  }

  /// @param generation number of the start
  /// @throws IOException when it cannot be started; the message names the command, or the port and
  ///   what holds it
  Child start(int generation) throws IOException {
    requireFree(settings.addresses().bind(), settings.port(), "the server's");
    String name = settings.name();
    // Our own programs log to stderr, with a level of their own.
    Level stderr = settings.backend().type().isOurs() ? Level.INFO : Level.WARN;
    Child child =
        Child.start(
            argv,
            settings.backend().workDir(),
            settings.backend().env(),
            Orphans.marks(settings.instance(), run + "-" + generation),
            settings.stopGrace(),
            line -> take(generation, line, Level.INFO),
            line -> take(generation, line, stderr));
    log.info(
        "[{}] started pid {}: {}{}",
        name,
        child.pid(),
        Secrets.program(argv.getFirst()),
        file == null ? "" : ", its lines go to " + settings.logFile());
    return child;
  }

  /// A line of the server, at its own level where it says one.
  private void take(int generation, String line, Level level) {
    logs.add(generation, line);
    if (file == null) {
      log.atLevel(LineLevel.of(line, level)).log("[{}] {}", settings.name(), line);
    } else {
      file.add(line);
    }
  }

  /// Ends what a babysitter of this instance left behind when it was killed.
  static void endOrphans(Settings s, Ticker ticker) throws InterruptedException {
    List<Long> found = Orphans.end(s.instance(), s.stopGrace(), ticker);
    if (!found.isEmpty()) {
      log.warn("[{}] ended what an earlier babysitter left behind: pids {}", s.name(), found);
    }
  }

  /// @throws IOException when something listens there; names the port and its holder
  static void requireFree(String host, int port, String whose) throws IOException {
    try (ServerSocket s = new ServerSocket()) {
      s.setReuseAddress(true);
      s.bind(new InetSocketAddress(InetAddress.getByName(host), port));
    } catch (IOException e) {
      throw new IOException(
          "port "
              + port
              + " ("
              + whose
              + ") cannot be used on "
              + host
              + ": "
              + PortOwner.find(port).map(o -> "held by " + o).orElse(BackendClient.why(e)),
          e);
    }
  }
}
