package org.infinilm.svc.history;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.infinilm.svc.history.UsageRow.By;
import org.sqlite.SQLiteConfig;

/// Reads the file, also while a router writes it. Each call opens it and closes it again; blocks.
/// Thread-safe.
public final class HistoryReader {
  /// Rows that one question may bring.
  public static final int MOST_ROWS = 10_000;

  private final Path file;

  public HistoryReader(Path file) {
    this.file = file;
  }

  private interface Question<T> {
    T ask(Connection c) throws SQLException, IOException;
  }

  private Connection connect() throws SQLException {
    Library.load();
    SQLiteConfig config = new SQLiteConfig();
    config.setReadOnly(true);
    config.setBusyTimeout(2000);
    return config.createConnection("jdbc:sqlite:" + file.toAbsolutePath());
  }

  private <T> T with(Question<T> q) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(file.toString(), null, "no such file");
    }
    try (Connection c = connect()) {
      if (Schema.check(c, Schema.VERSIONS.size()) < Schema.VERSIONS.size()) {
        throw new IOException(
            file
                + ": an earlier version's, or a copy without its -wal (expected: a file that a router with --history has opened, or one made by .backup)");
      }
      return q.ask(c);
    } catch (SQLException e) {
      throw new IOException(file + ": cannot be read: " + e.getMessage(), e);
    } catch (Refused e) {
      throw new IOException(file + ": " + e.getMessage(), e);
    }
  }

  /// Usage of the days from `sinceDay` on (since 1970, UTC), grouped; in the order of the groups.
  public List<UsageRow> usage(Set<By> by, long sinceDay) throws IOException {
    String groups = by.stream().sorted().map(By::column).collect(Collectors.joining(", "));
    String sql =
        "select "
            + (groups.isEmpty() ? "" : groups + ", ")
            + "sum(requests) requests, sum(errors) errors, sum(told) told, sum(prompt_tokens) prompt_tokens,"
            + " sum(cached_tokens) cached_tokens, sum(completion_tokens) completion_tokens"
            + " from usage where day >= ?"
            + (groups.isEmpty() ? "" : " group by " + groups + " order by " + groups)
            + " limit "
            + MOST_ROWS;
    return with(c -> {
      List<UsageRow> out = new ArrayList<>();
      try (PreparedStatement p = c.prepareStatement(sql)) {
        p.setLong(1, sinceDay);
        try (ResultSet r = p.executeQuery()) {
          while (r.next()) {
            out.add(row(by, r));
          }
        }
      }
      return out;
    });
  }

  private static UsageRow row(Set<By> by, ResultSet r) throws SQLException {
    long told = r.getLong("told");
    return new UsageRow(
        by.contains(By.DAY) ? (Long) r.getLong("day") : null,
        by.contains(By.KEY) ? r.getString("key") : null,
        by.contains(By.MODEL) ? r.getString("model") : null,
        r.getLong("requests"),
        r.getLong("errors"),
        told,
        told == 0 ? null : (Long) r.getLong("prompt_tokens"),
        told == 0 ? null : (Long) r.getLong("cached_tokens"),
        told == 0 ? null : (Long) r.getLong("completion_tokens"));
  }

  /// The JSON of the decisions of a request, of which a client may have sent several under one id;
  /// newest first.
  public List<byte[]> decisions(String requestId, int limit) throws IOException {
    return with(c -> {
      List<byte[]> out = new ArrayList<>();
      try (PreparedStatement p =
          c.prepareStatement(
              "select whole from decisions where request_id = ? order by id desc limit ?")) {
        p.setString(1, requestId);
        p.setInt(2, limit);
        try (ResultSet r = p.executeQuery()) {
          while (r.next()) {
            out.add(Packed.unpack(r.getBytes(1)));
          }
        }
      }
      return out;
    });
  }

  /// What pools did in so many steps of `stepMinutes` from a minute on (since 1970).
  public Course course(long fromMinute, int steps, int stepMinutes) throws IOException {
    long end = fromMinute + (long) steps * stepMinutes;
    return with(c -> {
      Course out = new Course(fromMinute, steps, stepMinutes);
      read(c, "select minute, covered_ms from alive", fromMinute, end, out::alive);
      read(
          c,
          "select minute, pool, requests, errors, told, prompt_tokens, cached_tokens, completion_tokens, ttft from minutes",
          fromMinute,
          end,
          out::pool);
      read(c, "select minute, reason, requests from reasons", fromMinute, end, out::reason);
      return out;
    });
  }

  private interface Row {
    void take(ResultSet r) throws SQLException;
  }

  private static void read(Connection c, String select, long from, long end, Row each)
      throws SQLException {
    try (PreparedStatement p = c.prepareStatement(select + " where minute >= ? and minute < ?")) {
      p.setLong(1, from);
      p.setLong(2, end);
      try (ResultSet r = p.executeQuery()) {
        while (r.next()) {
          each.take(r);
        }
      }
    }
  }
}
