package org.infinilm.svc.discovery;

import java.util.List;
import org.infinilm.svc.config.ConfigException;

/// Something that lists instances and follows what changes, on a thread of its own. It never ends
/// by itself: what goes wrong is told, and what was listed before holds on.
public interface Source extends AutoCloseable {
  /// Most instances of one source.
  int MOST = 10_000;

  /// Hears a source, on that one's thread.
  interface Listener {
    /// All that is listed now, in place of what was before. The first word of a source comes also
    /// when that is nothing.
    void found(List<Found> all);

    /// What is wrong now, one line each, in place of what was wrong before; nothing when all is
    /// well.
    void troubles(List<String> all);
  }

  /// Says whether an instance can be used as it is written.
  interface Check {
    void check(Found f) throws ConfigException;
  }

  /// Begins; once.
  void start(Listener listener);

  @Override
  void close();
}
