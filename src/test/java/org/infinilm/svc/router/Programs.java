package org.infinilm.svc.router;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.LowPorts;

/// Programs of the built jar as processes of their own, ended with the test.
final class Programs implements AutoCloseable {
  static final String PLAINLY = "exec \"$@\" 2>&1";
  private static final Duration START = Duration.ofSeconds(60);

  private final Path folder;
  private final List<Process> started = new ArrayList<>();
  private int logs;

  /// @param folder for what they print
  Programs(Path folder) {
    this.folder = folder;
  }

  /// A started program.
  record Running(Process process, Path log, int port) {
    String said() {
      try {
        return Files.readString(log);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }

    long pid() {
      return process.pid();
    }

    /// As `kill -9`.
    void kill() throws InterruptedException {
      process.destroyForcibly();
      process.waitFor();
    }

    /// As `kill`, and waits.
    void end() throws InterruptedException {
      process.destroy();
      process.waitFor();
    }

    void signal(String name) throws IOException, InterruptedException {
      new ProcessBuilder("kill", "-" + name, Long.toString(pid())).start().waitFor();
    }
  }

  /// `infini simulate` at this port, 0 for any.
  Running simulate(int port, String... more) throws IOException {
    List<String> args = new ArrayList<>(List.of("--port", Integer.toString(port), "--model", "m"));
    args.addAll(List.of(more));
    return run("simulate", "at http://127\\.0\\.0\\.1:([0-9]+)", PLAINLY, List.of(), args);
  }

  /// `infini registry` on any port.
  Running registry(String... args) throws IOException {
    List<String> all = new ArrayList<>(List.of("--host", "127.0.0.1", "--port", "0"));
    all.addAll(List.of(args));
    return run("registry", "listens on 127\\.0\\.0\\.1:([0-9]+)", PLAINLY, List.of(), all);
  }

  /// `infini router` on any port.
  Running router(String... args) throws IOException {
    return router(PLAINLY, List.of(), args);
  }

  /// @param shell how a shell starts it: `exec "$@" 2>&1` and what else there is to say
  /// @param jvm more flags of the JVM
  Running router(String shell, List<String> jvm, String... args) throws IOException {
    List<String> all = new ArrayList<>(List.of("--host", "127.0.0.1", "--router-port", "0"));
    all.addAll(List.of(args));
    return run("router", "router on 127\\.0\\.0\\.1:([0-9]+)", shell, jvm, all);
  }

  /// Any program.
  ///
  /// @param listens finds its port in what it prints
  Running run(String program, String listens, String shell, List<String> jvm, List<String> args)
      throws IOException {
    Path log = folder.resolve(program + "-" + logs++ + ".log");
    List<String> java =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow"));
    java.addAll(jvm);
    java.addAll(List.of("-jar", System.getProperty("infini.jar", "target/infini.jar"), program));
    java.addAll(args);
    List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", shell, "sh"));
    command.addAll(java);
    Process p = new ProcessBuilder(command).redirectOutput(log.toFile()).start();
    started.add(p);
    Pattern address = Pattern.compile(listens);
    await()
        .atMost(START)
        .until(() -> !p.isAlive() || address.matcher(Files.readString(log)).find());
    Matcher m = address.matcher(Files.readString(log));
    if (!m.find()) {
      throw new IOException(program + " ended before it listened: " + Files.readString(log));
    }
    return new Running(p, log, Integer.parseInt(m.group(1)));
  }

  /// A port that nobody listens at for the moment.
  static int freePort() {
    return LowPorts.two();
  }

  @Override
  public void close() {
    started.forEach(Process::destroyForcibly);
  }
}
