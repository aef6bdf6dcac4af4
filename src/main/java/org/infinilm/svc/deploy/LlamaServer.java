package org.infinilm.svc.deploy;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// llama.cpp's own server on this machine, for models that the embedded engine does not serve.
///
/// @param command the program and its first words
record LlamaServer(List<String> command) {
  /// Names the program.
  static final String VARIABLE = "INFINI_LLAMA_SERVER";

  private static final String PROGRAM = "llama-server";
  private static final String SCRIPT = "script/llama_cpp_server.py";
  private static final int PAGED_SLOTS = 4;
  private static final int TOKENS = 32768;
  private static final long ANSWER_SECONDS = 60;

  LlamaServer {
    command = List.copyOf(command);
  }

  /// The program that the variable names; else `llama-server` on the PATH; else the Python package
  /// `xllamacpp` of `python3` (or of the one that `PYTHON` names), which has the server within.
  ///
  /// @param home the folder of this installation
  /// @throws ConfigException when the variable names no program
  static Optional<LlamaServer> find(Map<String, String> env, Path home)
      throws ConfigException, InterruptedException {
    String named = env.getOrDefault(VARIABLE, "");
    if (!named.isEmpty()) {
      Path program = onPath(env, named);
      if (program == null) {
        throw new ConfigException(
            VARIABLE + ": " + named + " (expected: an executable llama-server, or its path)");
      }
      return Optional.of(new LlamaServer(List.of(program.toString())));
    }
    Path program = onPath(env, PROGRAM);
    if (program != null) {
      return Optional.of(new LlamaServer(List.of(program.toString())));
    }
    Path python = onPath(env, env.getOrDefault("PYTHON", "python3"));
    return python != null && hasPackage(python)
        ? Optional.of(new LlamaServer(List.of(python.toString(), home.resolve(SCRIPT).toString())))
        : Optional.empty();
  }

  private static @Nullable Path onPath(Map<String, String> env, String name) {
    if (name.contains("/")) {
      Path p = Path.of(name).toAbsolutePath();
      return isProgram(p) ? p : null;
    }
    for (String folder : env.getOrDefault("PATH", "").split(File.pathSeparator)) {
      Path p = Path.of(folder.isEmpty() ? "." : folder).toAbsolutePath().resolve(name);
      if (isProgram(p)) {
        return p;
      }
    }
    return null;
  }

  private static boolean isProgram(Path p) {
    return Files.isRegularFile(p) && Files.isExecutable(p);
  }

  private static boolean hasPackage(Path python) throws InterruptedException {
    try {
      Process p =
          new ProcessBuilder(python.toString(), "-c", "import xllamacpp")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      p.getOutputStream().close();
      if (!p.waitFor(ANSWER_SECONDS, TimeUnit.SECONDS)) {
        p.destroyForcibly();
        return false;
      }
      return p.exitValue() == 0;
    } catch (IOException cannotRun) {
      return false;
    }
  }

  /// Requests that an instance computes at a time.
  static int slots(String cacheType) {
    return cacheType.equals("paged") ? PAGED_SLOTS : 1;
  }

  /// All that follows the command. Both kinds have a cache of 32,768 tokens: the paged one in four
  /// slots, the static one in one.
  List<String> arguments(Path model, String name, String host, int port, String cacheType) {
    List<String> out = new ArrayList<>();
    out.addAll(List.of("-m", model.toString(), "--alias", name));
    out.addAll(List.of("--host", host, "--port", String.valueOf(port)));
    out.addAll(List.of("-c", String.valueOf(TOKENS)));
    out.addAll(List.of("--parallel", String.valueOf(slots(cacheType)), "--metrics", "--jinja"));
    return out;
  }
}
