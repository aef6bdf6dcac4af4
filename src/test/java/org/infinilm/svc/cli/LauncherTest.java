package org.infinilm.svc.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `bin/infini` in checkouts of every kind, on a JDK that only says what it was called with.
@Timeout(60)
class LauncherTest {
  private static final String JAVA =
      """
      #!/bin/sh
      for a in "$@"; do printf 'arg %s\\n' "$a"; done
      printf 'locale %s\\n' "$(locale charmap 2>/dev/null)"
      for a in "$@"; do case $a in -XX:AOTCacheOutput=* | -XX:SharedArchiveFile=*.new) echo made >"${a#*=}" ;; esac; done
      """;

  private static final Pattern WIDE = Pattern.compile("(?m)^(flags|Features).* (avx2|sve)( |$)");

  @TempDir private Path dir;
  private Path home = Path.of("");
  private Path jdk = Path.of("");

  /// What a start printed and how it ended.
  private record Ran(int exit, String out) {
    List<String> arguments() {
      return out.lines().filter(l -> l.startsWith("arg ")).map(l -> l.substring(4)).toList();
    }
  }

  @BeforeEach
  void aBuiltCheckout() throws IOException {
    home = dir.resolve("a checkout ü of mine");
    jdk = dir.resolve("jdk 25");
    executable(home.resolve("bin/infini"), Files.readString(Path.of("bin", "infini")));
    Files.createSymbolicLink(home.resolve("bin/infini-registry"), Path.of("infini"));
    Files.writeString(home.resolve("pom.xml"), "");
    Files.createDirectories(home.resolve("target"));
    Files.writeString(home.resolve("target/infini.jar"), "");
    executable(jdk.resolve("bin/java"), JAVA);
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
  }

  private static void executable(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Ran run(Map<String, String> env, String program, String... args) throws Exception {
    return run(List.of(), env, program, args);
  }

  /// @param shell that reads the script; empty for the one that it names itself
  private Ran run(List<String> shell, Map<String, String> env, String program, String... args)
      throws Exception {
    List<String> command = new ArrayList<>(shell);
    command.add(home.resolve("bin").resolve(program).toString());
    command.addAll(List.of(args));
    ProcessBuilder b = new ProcessBuilder(command).redirectErrorStream(true);
    b.environment().keySet().removeIf(k -> k.startsWith("LC_") || k.startsWith("INFINI_"));
    b.environment().remove("LANG");
    b.environment().put("JAVA_HOME", jdk.toString());
    b.environment().putAll(env);
    Process p =
        b.redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null"))).start();
    byte[] out = p.getInputStream().readAllBytes();
    assertThat(p.waitFor(30, TimeUnit.SECONDS)).isTrue();
    return new Ran(p.exitValue(), new String(out, StandardCharsets.UTF_8));
  }

  @Test
  void everyShellOfThisMachineRunsIt() throws Exception {
    List<List<String>> shells = new ArrayList<>();
    for (String words :
        List.of("sh", "dash", "bash --posix", "busybox sh", "ksh", "zsh --emulate sh")) {
      List<String> shell = List.of(words.split(" "));
      for (String folder : System.getenv("PATH").split(":")) {
        if (Files.isExecutable(Path.of(folder, shell.getFirst())) && !shells.contains(shell)) {
          shells.add(shell);
        }
      }
    }
    assertThat(shells).hasSizeGreaterThan(1);
    run(Map.of(), "infini", "up");
    for (List<String> shell : shells) {
      Ran ran = run(shell, Map.of(), "infini", "up", "--name", "two words", "ü*");
      assertThat(ran.exit()).as(ran.out()).isZero();
      assertThat(ran.arguments()).as(shell.toString()).endsWith("up", "--name", "two words", "ü*");
    }
  }

  private List<Path> caches() throws IOException {
    try (Stream<Path> all = Files.list(home.resolve("target"))) {
      return all.filter(p -> p.toString().endsWith(".aot")).toList();
    }
  }

  @Test
  void aPathWithSpacesStaysOneArgumentOnceTheStartCacheExists() throws Exception {
    run(Map.of(), "infini", "--version");
    assertThat(caches()).hasSize(1);
    Ran second = run(Map.of(), "infini", "registry", "--host", "a b", "");
    assertThat(second.exit()).as(second.out()).isZero();
    assertThat(second.arguments())
        .contains("-XX:AOTCache=" + caches().getFirst())
        .endsWith("-jar", home + "/target/infini.jar", "registry", "--host", "a b", "");
  }

  /// Whatever JDK the user has besides.
  @Test
  void aPackageRunsOnTheRuntimeThatItBrings() throws Exception {
    Files.delete(home.resolve("pom.xml"));
    Files.createDirectories(home.resolve("program"));
    Files.move(home.resolve("target/infini.jar"), home.resolve("program/infini.jar"));
    Files.delete(home.resolve("target"));
    executable(
        home.resolve("runtime/bin/java"),
        "#!/bin/sh\necho its own\nexec \"$JAVA_OF_JDK\" \"$@\"\n");
    Files.copy(jdk.resolve("release"), home.resolve("runtime/release"));
    Map<String, String> env = Map.of("JAVA_OF_JDK", jdk.resolve("bin/java").toString());
    Ran ran = run(env, "infini-registry", "--port", "1");
    assertThat(ran.out()).startsWith("its own\n");
    assertThat(ran.arguments()).contains(home + "/program/infini.jar").endsWith("--port", "1");
    Ran made = run(env, "infini", "package");
    assertThat(made.exit()).isEqualTo(2);
    assertThat(made.out()).contains("is one already (expected: a checkout)");
  }

  /// Where JDK and CPU have vectors; with them the others' cache cannot be used.
  @Test
  void theRouterAloneGetsVectors() throws Exception {
    boolean wide = WIDE.matcher(Files.readString(Path.of("/proc/cpuinfo"))).find();
    Files.writeString(
        jdk.resolve("release"),
        "JAVA_VERSION=\"25.0.1\"\nMODULES=\"java.base jdk.incubator.vector jdk.jfr\"\n");
    run(Map.of(), "infini", "--version");
    List<String> router = run(Map.of(), "infini", "router").arguments();
    assertThat(router.contains("jdk.incubator.vector")).isEqualTo(wide);
    assertThat(router.stream().filter(a -> a.matches("-XX:SharedArchiveFile=.*\\.jsa")).count())
        .isEqualTo(wide ? 1 : 0);
    assertThat(router.contains("-XX:AOTCache=" + caches().getFirst())).isNotEqualTo(wide);
    for (List<String> others :
        List.of(
            run(Map.of(), "infini", "registry").arguments(),
            run(Map.of(), "infini", "router", "--help").arguments(),
            run(Map.of("INFINI_VECTORS", "0"), "infini", "router").arguments())) {
      assertThat(others)
          .contains("-XX:AOTCache=" + caches().getFirst())
          .noneMatch(a -> a.contains("vector") || a.contains("SharedArchiveFile"));
    }
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\nMODULES=\"java.base\"\n");
    run(Map.of(), "infini", "--version");
    assertThat(run(Map.of(), "infini", "router").arguments())
        .as("a JDK without vectors")
        .noneMatch(a -> a.contains("vector"));
  }

  @Test
  void aDropInNameIsToldAsOneProperty() throws Exception {
    Ran ran = run(Map.of("INFINI_JAVA_OPTS", "-Da=1 -Db=2"), "infini-registry", "--port", "1");
    assertThat(ran.arguments())
        .contains("-Da=1", "-Db=2")
        .endsWith("-Dinfini.program=registry", "-jar", home + "/target/infini.jar", "--port", "1");
  }

  /// The tests may run as root, whom no permission stops: a folder in place of the file is what
  /// cannot be opened.
  @Test
  void aCheckoutThatCannotBeWrittenStartsWithoutACache() throws Exception {
    Files.createDirectories(home.resolve("target/.start.lock"));
    Ran ran = run(Map.of(), "infini", "--version");
    assertThat(ran.exit()).as(ran.out()).isZero();
    assertThat(ran.arguments()).noneMatch(a -> a.contains("AOTCache")).endsWith("--version");
    assertThat(ran.out()).doesNotContain("warning");
    Files.createDirectories(home.resolve("src/main"));
    assertThat(run(Map.of(), "infini", "--version").out()).contains("warning").contains("arg -jar");
    Files.delete(home.resolve("target/infini.jar"));
    Ran none = run(Map.of(), "infini", "--version");
    assertThat(none.exit()).isEqualTo(1);
    assertThat(none.out()).contains("cannot be written").contains(home + "/target");
  }

  @Test
  void aLockThatIsHeldByNobodyHoldsUpNothing() throws Exception {
    Files.createDirectories(home.resolve("target/.lock"));
    Files.writeString(home.resolve("target/.start.lock"), "");
    assertThat(run(Map.of(), "infini", "--version").exit()).isZero();
    assertThat(caches()).hasSize(1);
  }

  @Test
  void aStartWaitsForTheOneThatBuilds() throws Exception {
    Path lock = Files.createFile(home.resolve("target/.start.lock"));
    Process holder =
        new ProcessBuilder("flock", lock.toString(), "sh", "-c", "echo held; read -r _").start();
    assertThat((char) holder.getInputStream().read()).isEqualTo('h');
    ProcessBuilder b = new ProcessBuilder(home.resolve("bin/infini").toString(), "--version");
    b.environment().put("JAVA_HOME", jdk.toString());
    b.environment().remove("INFINI_NO_BUILD");
    Process waiting = b.redirectErrorStream(true).start();
    byte[] first = new byte[7];
    assertThat(waiting.getInputStream().readNBytes(first, 0, 7)).isEqualTo(7);
    assertThat(new String(first, StandardCharsets.UTF_8)).isEqualTo("infini:");
    assertThat(waiting.isAlive()).isTrue();
    holder.getOutputStream().close();
    holder.waitFor();
    String rest = new String(waiting.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(waiting.waitFor()).as(rest).isZero();
    assertThat(rest).contains("another start that builds").contains("arg --version");
  }

  @Test
  void textIsUtf8WhateverTheLocale() throws Exception {
    for (Map<String, String> env :
        List.of(
            Map.<String, String>of(),
            Map.of("LC_ALL", "C"),
            Map.of("LANG", "POSIX"),
            Map.of("LANG", "xx_XX.UTF-8"),
            Map.of("LC_ALL", "C.UTF-8"))) {
      Ran ran = run(env, "infini", "--model", "模型");
      assertThat(ran.out()).as(env.toString()).contains("locale UTF-8\n");
      assertThat(ran.arguments()).contains("-Dstdout.encoding=UTF-8");
      assertThat(ran.out()).as(env.toString()).contains("arg 模型\n");
    }
  }
}
