package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A log file of bounded size: when it is full it becomes `FILE.1`, that one `FILE.2` and so on.
/// Where somebody moved or removed the file the next line begins a new one. What cannot be written
/// (a full disk) is dropped and counted; the next line is tried again. Thread-safe.
final class RotatingFile implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger("babysitter");

  private final Path path;
  private final long maxBytes;
  private final int kept;
  private @Nullable OutputStream out;

  /// Which file is open, or null where the file system does not tell one from another.
  private @Nullable Object ours;

  private long bytes;
  private long dropped;

  /// @param kept older files beside the one that is written
  RotatingFile(Path path, long maxBytes, int kept) {
    this.path = path;
    this.maxBytes = maxBytes;
    this.kept = kept;
  }

  synchronized void add(String line) {
    byte[] text = (line + "\n").getBytes(StandardCharsets.UTF_8);
    try {
      OutputStream to = open(text.length);
      to.write(text);
      bytes += text.length;
      if (dropped > 0) {
        log.warn("{}: written again; {} lines were lost", path, dropped);
        dropped = 0;
      }
    } catch (IOException e) {
      if (dropped++ == 0) {
        log.warn("{}: cannot be written: {}; lines are lost until it can", path, e.toString());
      }
      close();
    }
  }

  private OutputStream open(int more) throws IOException {
    OutputStream to = out;
    if (to != null && !Objects.equals(ours, OwnFiles.key(path))) {
      close();
      to = null;
    }
    if (to != null && bytes > 0 && bytes + more > maxBytes) {
      close();
      to = null;
      rotate();
    }
    if (to == null) {
      // Lines of a server may hold prompts.
      to =
          Channels.newOutputStream(
              OwnFiles.open(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND));
      out = to;
      ours = OwnFiles.key(path);
      bytes = Files.size(path);
      if (bytes > 0 && bytes + more > maxBytes) {
        return open(more);
      }
    }
    return to;
  }

  private void rotate() throws IOException {
    for (int i = kept - 1; i >= 1; i--) {
      if (Files.exists(older(i))) {
        Files.move(older(i), older(i + 1), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Files.move(path, older(1), StandardCopyOption.REPLACE_EXISTING);
  }

  private Path older(int i) {
    return path.resolveSibling(path.getFileName() + "." + i);
  }

  /// The next line opens it again.
  @Override
  public synchronized void close() {
    OutputStream to = out;
    out = null;
    try {
      if (to != null) {
        to.close();
      }
    } catch (IOException lost) {
      log.debug("{}: {}", path, lost.toString());
    }
  }
}
