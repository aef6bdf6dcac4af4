package org.infinilm.svc.evaluation;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;

/// The file of `--json`, looked at before the first run: what is found may take an hour.
final class JsonFile {
  private JsonFile() {}

  /// @throws ConfigException when it cannot be written
  static void check(Optional<String> named) throws ConfigException {
    if (named.isPresent() && !writable(named.get())) {
      throw new ConfigException("--json: " + named.get() + " cannot be written (expected: a file)");
    }
  }

  private static boolean writable(String name) {
    try {
      Path file = Path.of(name).toAbsolutePath();
      Path folder = file.getParent();
      return Files.exists(file)
          ? !Files.isDirectory(file) && Files.isWritable(file)
          : folder != null && Files.isDirectory(folder) && Files.isWritable(folder);
    } catch (InvalidPathException e) {
      return false;
    }
  }
}
