package org.infinilm.svc.history;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.history.Tally.Group;
import org.infinilm.svc.history.Tally.Minute;
import org.infinilm.svc.history.Tally.PoolMinute;
import org.infinilm.svc.history.Tally.Sums;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sqlite.SQLiteConfig;

/// The file, open for writing by one router. For one thread.
/*
 * Who writes holds a lock on FILE.lock for its life: the database's own locks are taken and given up with each
 * transaction, so that others may read (write-ahead log). The database itself is never opened by other means
 * while it is open: closing any descriptor of a file drops this process's locks on it (fcntl(2)).
 */
final class Store implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Store.class);
  private static final int CORRUPT = 11;
  private static final int NOT_A_DATABASE = 26;

  /// Rows that go at once when there is no room.
  private static final int STEP_ROWS = 2000;

  private static final int MOST_STEPS = 1000;

  /// A decision that is kept one by one.
  ///
  /// @param whole JSON, packed
  record Kept(Entry entry, byte[] whole) {}

  private final Path file;
  private final FileChannel lockFile;
  private final Connection db;

  /// Which file was opened, or null where the file system does not tell one from another.
  private final @Nullable Object key;

  private Store(Path file, FileChannel lockFile, Connection db) {
    this.file = file;
    this.lockFile = lockFile;
    this.db = db;
    this.key = OwnFiles.key(file);
  }

  /// Opens or makes the file.
  ///
  /// @throws Refused when it must be left as it is
  /// @throws SQLException when it cannot be used; see [#isCorrupt]
  static Store open(Path file) throws IOException, SQLException, Refused {
    return open(file, Schema.VERSIONS);
  }

  static Store open(Path file, List<List<String>> versions)
      throws IOException, SQLException, Refused {
    Path folder = file.toAbsolutePath().getParent();
    if (folder != null) {
      OwnFiles.makeFolder(folder);
    }
    FileChannel lockFile = lock(file);
    try {
      boolean fresh = !Files.exists(file) || Files.size(file) == 0;
      if (fresh) {
        OwnFiles.open(file, StandardOpenOption.CREATE).close();
      }
      if (!Files.isRegularFile(file)) {
        throw new Refused("not a regular file (expected: a file, or none yet)");
      }
      OwnFiles.narrowFile(file);
      Connection db = connect(file, fresh, versions);
      return new Store(file, lockFile, db);
    } catch (IOException | SQLException | Refused | RuntimeException | Error e) {
      lockFile.close();
      throw e;
    }
  }

  private static FileChannel lock(Path file) throws IOException, Refused {
    FileChannel held = OwnFiles.lock(file.resolveSibling(file.getFileName() + ".lock"));
    if (held == null) {
      throw new Refused("another router writes it (expected: a file for each router)");
    }
    return held;
  }

  private static Connection connect(Path file, boolean fresh, List<List<String>> versions)
      throws SQLException, Refused {
    Library.load();
    SQLiteConfig config = new SQLiteConfig();
    config.setBusyTimeout(5000);
    Connection db = config.createConnection("jdbc:sqlite:" + file.toAbsolutePath());
    try (Statement s = db.createStatement()) {
      if (fresh) {
        s.execute("pragma auto_vacuum = incremental");
      } else {
        Schema.check(db, versions.size());
        check(s);
      }
      s.execute("pragma journal_mode = wal");
      s.execute("pragma synchronous = normal");
      s.execute("pragma journal_size_limit = 8388608");
      s.execute("pragma temp_store = memory");
      Schema.bring(db, versions);
      return db;
    } catch (SQLException | Refused | RuntimeException | Error e) {
      db.close();
      throw e;
    }
  }

  private static void check(Statement s) throws SQLException {
    try (ResultSet r = s.executeQuery("pragma quick_check(1)")) {
      String said = r.next() ? r.getString(1) : "nothing";
      if (!"ok".equals(said)) {
        throw new SQLException(said, "", CORRUPT);
      }
    }
  }

  /// Whether what is in the file can no longer be read.
  static boolean isCorrupt(SQLException e) {
    int code = e.getErrorCode() & 0xff;
    return code == CORRUPT || code == NOT_A_DATABASE;
  }

  /// Whether the file that was opened is where it was: another one in its place is none of ours.
  boolean isThere() {
    return Objects.equals(key, OwnFiles.key(file));
  }

  /// Brings what is in the log into the file that was opened, wherever it is now; closing alone
  /// does not, once another one is in its place. What cannot be brought in stays in the log.
  void bringLogIn() {
    try (Statement s = db.createStatement()) {
      s.execute("pragma wal_checkpoint(truncate)");
    } catch (SQLException e) {
      LOG.warn("history: {}: the log of the file that was open stays: {}", file, e.getMessage());
    }
  }

  /// Bytes that are in use.
  long usedBytes() throws SQLException {
    long pages =
        Schema.number(db, "pragma page_count") - Schema.number(db, "pragma freelist_count");
    return pages * Schema.number(db, "pragma page_size");
  }

  /// Writes all of it, or nothing; it is to be closed after a failure.
  void write(Tally t, List<Kept> decisions) throws SQLException {
    db.setAutoCommit(false);
    try {
      for (Map.Entry<Long, Minute> m : t.minutes().entrySet()) {
        minute(m.getKey(), m.getValue());
      }
      for (Map.Entry<Long, Map<Group, Sums>> d : t.days().entrySet()) {
        usage(d.getKey(), d.getValue());
      }
      decisions(decisions);
      db.commit();
      db.setAutoCommit(true);
    } catch (SQLException | RuntimeException e) {
      rollback(db, e);
      throw e;
    }
  }

  /// A transaction that failed for want of room is over already; what is told is why.
  static void rollback(Connection db, Exception why) {
    try {
      db.rollback();
    } catch (SQLException e) {
      why.addSuppressed(e);
    }
  }

  private void minute(long n, Minute m) throws SQLException {
    if (m.coveredMillis > 0) {
      try (PreparedStatement p =
          db.prepareStatement(
              "insert into alive values(?, ?) on conflict do update set covered_ms = min(60000, covered_ms + excluded.covered_ms)")) {
        p.setLong(1, n);
        p.setLong(2, m.coveredMillis);
        p.executeUpdate();
      }
    }
    for (Map.Entry<String, PoolMinute> e : m.pools.entrySet()) {
      pool(n, e.getKey(), e.getValue());
    }
    try (PreparedStatement p =
        db.prepareStatement(
            "insert into reasons values(?, ?, ?) on conflict do update set requests = requests + excluded.requests")) {
      for (Map.Entry<String, Tally.Count> r : m.reasons.entrySet()) {
        p.setLong(1, n);
        p.setString(2, r.getKey());
        p.setLong(3, r.getValue().requests);
        p.executeUpdate();
      }
    }
  }

  private void pool(long n, String pool, PoolMinute m) throws SQLException {
    Spread all = m.ttft;
    byte[] before = all == null ? null : ttft(n, pool);
    byte[] spread = all == null ? null : all.bytes();
    if (all != null && before != null) {
      Spread sum = Spread.of(before);
      sum.add(all);
      spread = sum.bytes();
    }
    try (PreparedStatement p =
        db.prepareStatement(
            """
            insert into minutes values(?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set
              requests = requests + excluded.requests, errors = errors + excluded.errors, told = told + excluded.told,
              prompt_tokens = prompt_tokens + excluded.prompt_tokens, cached_tokens = cached_tokens + excluded.cached_tokens,
              completion_tokens = completion_tokens + excluded.completion_tokens, ttft = coalesce(excluded.ttft, ttft)
            """)) {
      p.setLong(1, n);
      p.setString(2, pool);
      sums(p, 3, m.sums);
      p.setBytes(9, spread);
      p.executeUpdate();
    }
  }

  private byte @Nullable [] ttft(long n, String pool) throws SQLException {
    try (PreparedStatement p =
        db.prepareStatement("select ttft from minutes where minute = ? and pool = ?")) {
      p.setLong(1, n);
      p.setString(2, pool);
      try (ResultSet r = p.executeQuery()) {
        return r.next() ? r.getBytes(1) : null;
      }
    }
  }

  private static void sums(PreparedStatement p, int from, Sums s) throws SQLException {
    p.setLong(from, s.requests);
    p.setLong(from + 1, s.errors);
    p.setLong(from + 2, s.told);
    p.setLong(from + 3, s.prompt);
    p.setLong(from + 4, s.cached);
    p.setLong(from + 5, s.completion);
  }

  private void usage(long day, Map<Group, Sums> of) throws SQLException {
    try (PreparedStatement p =
        db.prepareStatement(
            """
            insert into usage values(?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set
              requests = requests + excluded.requests, errors = errors + excluded.errors, told = told + excluded.told,
              prompt_tokens = prompt_tokens + excluded.prompt_tokens, cached_tokens = cached_tokens + excluded.cached_tokens,
              completion_tokens = completion_tokens + excluded.completion_tokens
            """)) {
      for (Map.Entry<Group, Sums> e : of.entrySet()) {
        p.setLong(1, day);
        p.setString(2, e.getKey().key());
        p.setString(3, e.getKey().model());
        sums(p, 4, e.getValue());
        p.executeUpdate();
      }
    }
  }

  private void decisions(List<Kept> rows) throws SQLException {
    if (rows.isEmpty()) {
      return;
    }
    long last = Schema.number(db, "select max(id) from decisions");
    try (PreparedStatement p =
        db.prepareStatement("insert into decisions values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
      for (Kept k : rows) {
        Entry e = k.entry();
        last = Math.max(last + 1, e.epochMillis() << 10);
        p.setLong(1, last);
        p.setLong(2, e.epochMillis());
        p.setString(3, e.requestId());
        p.setString(4, e.key());
        p.setString(5, e.model());
        p.setString(6, e.pool());
        p.setString(7, e.instance());
        p.setString(8, e.outcome());
        p.setInt(9, e.status());
        if (e.ttftNanos() > 0) {
          p.setLong(10, e.ttftNanos());
        } else {
          p.setNull(10, java.sql.Types.INTEGER);
        }
        p.setLong(11, e.totalNanos());
        p.setBytes(12, k.whole());
        p.executeUpdate();
      }
    }
  }

  /// Forgets what is too old, and the oldest of what is too much: decisions before minutes, minutes
  /// before usage.
  void trim(HistorySettings bounds, long nowMillis) throws SQLException {
    long old = nowMillis - bounds.days() * Tally.DAY_MILLIS;
    long oldMinute = Math.floorDiv(old, Tally.MINUTE_MILLIS);
    update("delete from decisions where id < ?", old << 10);
    for (String table : List.of("minutes", "reasons", "alive")) {
      update("delete from " + table + " where minute < ?", oldMinute);
    }
    update(
        "delete from usage where day < ?",
        Math.floorDiv(nowMillis, Tally.DAY_MILLIS) - bounds.usageDays());
    long target = bounds.bytes() / 10 * 9;
    if (usedBytes() > target) {
      target = bounds.bytes() / 10 * 8;
      for (int k = 0; k < MOST_STEPS && usedBytes() > target && forgetSome(); k++) {
        // the next oldest
      }
    }
    try (Statement s = db.createStatement()) {
      s.execute("pragma incremental_vacuum");
    }
  }

  private boolean forgetSome() throws SQLException {
    long gone =
        update(
            "delete from decisions where id in (select id from decisions order by id limit ?)",
            STEP_ROWS);
    if (gone == 0) {
      long first = Schema.number(db, "select min(minute) from minutes");
      for (String table : List.of("minutes", "reasons", "alive")) {
        gone += update("delete from " + table + " where minute < ?", first + STEP_ROWS);
      }
    }
    if (gone == 0) {
      gone =
          update(
              "delete from usage where day <= (select min(day) from usage) and ? > 0", STEP_ROWS);
    }
    return gone > 0;
  }

  private long update(String sql, long parameter) throws SQLException {
    try (PreparedStatement p = db.prepareStatement(sql)) {
      p.setLong(1, parameter);
      return p.executeUpdate();
    }
  }

  @Override
  public void close() throws SQLException, IOException {
    try {
      db.close();
    } finally {
      lockFile.close();
    }
  }
}
