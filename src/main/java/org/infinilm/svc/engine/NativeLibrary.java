package org.infinilm.svc.engine;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;

/// The shared library of llama.cpp for this platform, unpacked once per user from the jar that
/// carries it.
final class NativeLibrary {
  private NativeLibrary() {}

  /// The path of the unpacked library; unpacks it when it is not there yet.
  static Path unpack(Map<String, String> environment) throws EngineException {
    String name = resource(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
    URL url = NativeLibrary.class.getClassLoader().getResource(name);
    if (url == null) {
      throw new EngineException(
          "no llama.cpp library for this platform: " + name + " (expected on the class path)");
    }
    Path folder = cacheFolder(environment);
    try {
      URLConnection connection = url.openConnection();
      long size = connection.getContentLengthLong();
      Path target =
          folder
              .resolve("llama-" + mark(connection))
              .resolve(name.substring(name.lastIndexOf('/') + 1));
      if (!Files.isRegularFile(target) || Files.size(target) != size) {
        write(connection, target);
      }
      return target;
    } catch (IOException e) {
      throw new EngineException(
          folder
              + ": cannot unpack llama.cpp there: "
              + e
              + " (expected: a writable folder; XDG_CACHE_HOME changes it)");
    }
  }

  /// Tells one build of the library from another without reading it.
  private static String mark(URLConnection connection) throws IOException {
    long crc =
        connection instanceof JarURLConnection jar && jar.getJarEntry() != null
            ? jar.getJarEntry().getCrc()
            : connection.getLastModified();
    return HexFormat.of().toHexDigits(crc, 8) + "-" + connection.getContentLengthLong();
  }

  private static void write(URLConnection connection, Path target) throws IOException {
    Path folder = target.resolveSibling("");
    Files.createDirectories(folder);
    Path part = Files.createTempFile(folder, "unpack", ".part");
    try (InputStream in = connection.getInputStream()) {
      Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /// The jar's name of the library.
  static String resource(String osName, String osArch) {
    String os = osName.toLowerCase(Locale.ROOT);
    String arch =
        switch (osArch) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> osArch;
        };
    if (os.contains("mac")) {
      return "de/kherud/llama/Mac/" + arch + "/libjllama.dylib";
    }
    if (os.contains("windows")) {
      return "de/kherud/llama/Windows/" + arch + "/jllama.dll";
    }
    return "de/kherud/llama/Linux/" + arch + "/libjllama.so";
  }

  /// `$XDG_CACHE_HOME/infini`, else `~/.cache/infini`.
  static Path cacheFolder(Map<String, String> environment) {
    String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
    if (!xdg.isEmpty() && Path.of(xdg).isAbsolute()) {
      return Path.of(xdg, "infini");
    }
    String home = environment.getOrDefault("HOME", "");
    return Path.of(home.isEmpty() ? System.getProperty("user.home") : home, ".cache", "infini");
  }
}
