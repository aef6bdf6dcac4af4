package org.infinilm.svc.registry;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Where a router reads the table and meets its siblings: a registry, or etcd itself. Thread-safe;
/// calls block.
public interface TableSource extends PeerBoard, AutoCloseable {
  /// Waits for a version other than `version`, at most `wait`; null answers at once.
  ///
  /// @throws IOException when it cannot be reached; the message says what, and where
  Watch watch(@Nullable String version, Duration wait) throws IOException, InterruptedException;

  @Override
  void close();
}
