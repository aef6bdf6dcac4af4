package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// A built checkout in a folder of its own, called in environments of all kinds.
record Checkout(Path home) {
  /// What a command printed and how it ended.
  record Ran(int exit, String out) {}

  /// @param home made here; the program itself is that of this build
  static Checkout in(Path home) throws IOException {
    Files.createDirectories(home.resolve("bin"));
    Files.createDirectories(home.resolve("target"));
    Files.copy(Path.of("bin", "infini"), home.resolve("bin/infini"));
    Files.writeString(home.resolve("pom.xml"), "");
    Path jar = Path.of(System.getProperty("infini.jar")).toAbsolutePath();
    Files.createSymbolicLink(home.resolve("target/infini.jar"), jar);
    Files.createSymbolicLink(home.resolve("target/lib"), jar.resolveSibling("lib"));
    return new Checkout(home);
  }

  /// With nothing in the environment but `env`, the JDK and where programs are.
  Ran run(List<String> before, Map<String, String> env, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(before);
    command.add(home.resolve("bin/infini").toString());
    command.addAll(List.of(arguments));
    Path out = Files.createTempFile("infini", ".out");
    ProcessBuilder b =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile());
    b.directory(Path.of("/").toFile());
    b.environment().clear();
    b.environment()
        .putAll(
            Map.of(
                "PATH",
                "/usr/bin:/bin",
                "JAVA_HOME",
                System.getProperty("java.home"),
                "INFINI_NO_BUILD",
                "1"));
    b.environment().putAll(env);
    Process p = b.start();
    try {
      boolean ended = p.waitFor(120, TimeUnit.SECONDS);
      String said = new String(Files.readAllBytes(out), StandardCharsets.UTF_8);
      return new Ran(ended ? p.exitValue() : -1, said);
    } finally {
      p.destroyForcibly();
      Files.delete(out);
    }
  }

  static String[] up(int registry, int router, int paged, int fixed) {
    return new String[] {
      "up",
      "--detach",
      "--simulate",
      "--registry-port",
      "" + registry,
      "--router-port",
      "" + router,
      "--paged-port",
      "" + paged,
      "--static-port",
      "" + fixed
    };
  }
}
