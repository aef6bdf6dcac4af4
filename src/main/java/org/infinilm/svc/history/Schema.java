package org.infinilm.svc.history;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;

/// The tables of the file, and how a file of an earlier version comes to them. Stateless.
final class Schema {
  /// `PRAGMA application_id`: "INFH".
  static final int APPLICATION = 0x494e4648;

  /// The statements of each version after the one before; the first begins with an empty file.
  static final List<List<String>> VERSIONS =
      List.of(
          List.of(
              """
              create table decisions(
                id integer primary key, -- in the order of time
                time_ms integer not null,
                request_id text not null,
                key text not null,
                model text not null,
                pool text not null,
                instance text not null,
                outcome text not null,
                status integer not null,
                ttft_ns integer, -- null when it is not known
                total_ns integer not null,
                whole blob not null) -- JSON as /decisions tells it, deflated (RFC 1950)
              """,
              "create index decisions_by_request on decisions(request_id)",
              """
              create table minutes(
                minute integer not null, -- since 1970
                pool text not null, -- '' for requests that came to no instance
                requests integer not null,
                errors integer not null,
                told integer not null, -- requests whose tokens are known
                prompt_tokens integer not null,
                cached_tokens integer not null,
                completion_tokens integer not null,
                ttft blob, -- HdrHistogram V2 in microseconds, null when there is none
                primary key(minute, pool)) without rowid
              """,
              """
              create table alive(
                minute integer primary key, covered_ms integer not null) -- how long the router ran in it
              """,
              """
              create table reasons(
                minute integer not null, reason text not null, requests integer not null,
                primary key(minute, reason)) without rowid
              """,
              """
              create table usage(
                day integer not null, -- since 1970, UTC
                key text not null,
                model text not null,
                requests integer not null,
                errors integer not null,
                told integer not null,
                prompt_tokens integer not null,
                cached_tokens integer not null,
                completion_tokens integer not null,
                primary key(day, key, model)) without rowid
              """));

  private Schema() {}

  /// Makes the file one of the last of these versions, or leaves it as it was and is to be closed.
  ///
  /// @throws Refused when it is a later version's or another program's
  static void bring(Connection c, List<List<String>> versions) throws SQLException, Refused {
    int version = check(c, versions.size());
    if (version == versions.size()) {
      return;
    }
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      for (List<String> step : versions.subList(version, versions.size())) {
        for (String sql : step) {
          s.execute(sql);
        }
      }
      s.execute("pragma application_id = " + APPLICATION);
      s.execute("pragma user_version = " + versions.size());
      c.commit();
      c.setAutoCommit(true);
    } catch (SQLException e) {
      Store.rollback(c, e);
      throw e;
    }
  }

  /// The version of the file; 0 when it is empty.
  static int check(Connection c, int newest) throws SQLException, Refused {
    long application = number(c, "pragma application_id");
    int version = (int) number(c, "pragma user_version");
    boolean empty = number(c, "select count(*) from sqlite_schema") == 0;
    if (application != APPLICATION && !(application == 0 && version == 0 && empty)) {
      throw new Refused("another program's database (expected: a file of its own)");
    }
    if (version > newest) {
      throw new Refused(
          "version "
              + version
              + " (expected: at most "
              + newest
              + ", or the later InfiniLM-SVC that wrote it)");
    }
    return version;
  }

  static long number(Connection c, String sql) throws SQLException {
    try (Statement s = c.createStatement();
        ResultSet r = s.executeQuery(sql)) {
      return r.next() ? r.getLong(1) : 0;
    }
  }
}
