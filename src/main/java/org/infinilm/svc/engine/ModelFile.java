package org.infinilm.svc.engine;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/// Which GGUF file a path means.
///
/// @param others how many more GGUF files the folder holds
record ModelFile(Path file, int others) {
  private static final byte[] MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);
  private static final String SUFFIX = ".gguf";

  /// A GGUF file itself, or the first by name in a folder.
  static ModelFile find(Path path) throws EngineException {
    if (!Files.exists(path)) {
      throw new EngineException(
          path + " does not exist (expected: a GGUF file or a folder with one)");
    }
    try {
      if (!Files.isDirectory(path)) {
        return new ModelFile(checked(path), 0);
      }
      try (Stream<Path> entries = Files.list(path)) {
        List<Path> found =
            entries
                .filter(p -> p.getFileName().toString().endsWith(SUFFIX) && Files.isRegularFile(p))
                .sorted()
                .toList();
        if (found.isEmpty()) {
          throw new EngineException("no *.gguf file in folder " + path + " (expected: one)");
        }
        return new ModelFile(checked(found.getFirst()), found.size() - 1);
      }
    } catch (IOException e) {
      throw new EngineException(path + " cannot be read: " + e.getMessage());
    }
  }

  private static Path checked(Path file) throws IOException, EngineException {
    try (InputStream in = Files.newInputStream(file)) {
      if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
        throw new EngineException(
            file + " is no GGUF file (expected: its first bytes are \"GGUF\")");
      }
    }
    return file;
  }

  /// The file's name without its ending: the default name of the model.
  String stem() {
    String name = file.getFileName().toString();
    return name.endsWith(SUFFIX) ? name.substring(0, name.length() - SUFFIX.length()) : name;
  }
}
