package org.infinilm.svc.history;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.sqlite.SQLiteJDBCLoader;

/// SQLite's native part. Its driver unpacks it where temporary files are and removes it when the
/// process ends by itself; servers are ended otherwise, and each start left a megabyte there. So it
/// is unpacked into a folder of its own, which is gone once it is loaded: the system keeps what is
/// mapped. `org.sqlite.tmpdir` names another place, for a system that runs nothing from there.
final class Library {
  private static final String FOLDER = "org.sqlite.tmpdir";

  private static boolean loaded;

  private Library() {}

  /// Loads it, once in a process.
  ///
  /// @throws SQLException when it cannot be used here
  static synchronized void load() throws SQLException {
    if (loaded) {
      return;
    }
    try {
      String given = System.getProperty(FOLDER);
      if (given == null) {
        fromOwnFolder();
      } else {
        SQLiteJDBCLoader.initialize();
      }
      loaded = true;
    } catch (Exception e) {
      throw new SQLException("SQLite's native part does not load: " + e.getMessage(), e);
    }
  }

  private static void fromOwnFolder() throws Exception {
    Path own = Files.createTempDirectory("infini-sqlite");
    System.setProperty(FOLDER, own.toString());
    try {
      SQLiteJDBCLoader.initialize();
    } finally {
      System.clearProperty(FOLDER);
      remove(own);
    }
  }

  private static void remove(Path folder) throws IOException {
    try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
      for (Path p : all) {
        Files.delete(p);
      }
    }
    Files.delete(folder);
  }
}
