package org.infinilm.svc.router;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.Cors;
import org.infinilm.svc.http.ProxyServer;

/// The router's settings towards clients: limits, times, the end.
///
/// @param lameDuck how long it still listens after it was asked to end
/// @param drainTimeout how long requests in flight may take after that
record Clients(
    ProxyServer.Limits limits,
    ProxyServer.Times times,
    Cors cors,
    Duration lameDuck,
    Duration drainTimeout) {
  private static final Key<Duration> HEAD_TIME =
      Key.seconds("head_timeout", 10.0, 0.25, "limit for a request's head, from its first byte");
  private static final Key<Duration> BODY_PAUSE =
      Key.seconds("body_timeout", 30.0, 0.25, "longest pause in a request's body");
  private static final Key<Long> MIN_BODY_RATE =
      Key.whole(
          "min_body_rate",
          240L,
          0,
          1L << 30,
          "bytes a second that a request's body must bring, over each body_timeout");
  private static final Key<Duration> IDLE =
      Key.seconds("idle_connection", 75.0, 0.25, "how long a connection may stay without request");
  private static final Key<Duration> CLIENT_STALL =
      Key.seconds(
          "client_stall",
          120.0,
          0.25,
          "how long a client may leave an answer that waits for it unread");
  private static final Key<Long> MIN_CLIENT_RATE =
      Key.whole(
          "min_client_rate",
          240L,
          0,
          1L << 30,
          "bytes a second that a client must take while an answer waits for it, over 5 client_stall");
  private static final Key<Long> MAX_BODY =
      Key.whole("max_body_bytes", 64L << 20, 1, Integer.MAX_VALUE, "largest request body");
  private static final Key<Long> MAX_BUFFERED =
      Key.whole(
          "max_buffered_bytes",
          512L << 20,
          1,
          1L << 40,
          "request bodies and unsent answers in memory over all connections");
  private static final Key<Long> MAX_CONNECTIONS =
      Key.whole("max_connections", 10_000L, 1, 1_000_000, "client connections");
  private static final Key<Long> MAX_PER_PEER =
      Key.whole(
          "max_connections_per_peer",
          0L,
          0,
          1_000_000,
          "connections of one address (IPv6: one /64) that is not loopback; 0: no limit");
  private static final Key<String> CORS_ORIGINS =
      Key.text(
          "cors_origins",
          "",
          "web pages that may read answers, https://host[:port],... or *; none when empty");
  private static final Key<Duration> LAME_DUCK =
      Key.seconds(
          "lame_duck", 2.0, 0, "how long it still listens at the end, while /readyz says 503");
  private static final Key<Duration> DRAIN =
      Key.seconds("drain_timeout", 30.0, 0, "how long requests in flight may take at the end");

  static final List<Key<?>> KEYS =
      List.of(
          HEAD_TIME,
          BODY_PAUSE,
          MIN_BODY_RATE,
          IDLE,
          CLIENT_STALL,
          MIN_CLIENT_RATE,
          MAX_BODY,
          MAX_BUFFERED,
          MAX_CONNECTIONS,
          MAX_PER_PEER,
          CORS_ORIGINS,
          LAME_DUCK,
          DRAIN);

  static Clients of(Config c) throws ConfigException {
    return new Clients(
        new ProxyServer.Limits(
            c.get(MAX_BODY),
            c.get(MAX_BUFFERED),
            c.get(MAX_CONNECTIONS).intValue(),
            c.get(MAX_PER_PEER).intValue()),
        new ProxyServer.Times(
            c.get(HEAD_TIME),
            c.get(BODY_PAUSE),
            c.get(MIN_BODY_RATE),
            c.get(IDLE),
            c.get(CLIENT_STALL),
            c.get(MIN_CLIENT_RATE)),
        cors(c),
        c.get(LAME_DUCK),
        c.get(DRAIN));
  }

  private static Cors cors(Config c) throws ConfigException {
    try {
      return Cors.of(c.get(CORS_ORIGINS));
    } catch (IllegalArgumentException e) {
      throw c.wrong(CORS_ORIGINS, String.valueOf(e.getMessage()));
    }
  }
}
