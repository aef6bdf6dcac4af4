package org.infinilm.svc.router;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Line.Order;
import org.infinilm.svc.policy.Policies;
import org.jspecify.annotations.Nullable;

/// How many requests an instance gets at once, and how the others wait.
///
/// @param staticSeats of a static instance that does not say; 0 for any number
/// @param publishedSeats whether a paged instance gets the batch size that it publishes
/// @param queueLimit how many requests may wait in all
/// @param queueTimeout how long one may wait
/// @param ageingBytes how much more work a second of waiting outweighs
/// @param spill whether the size rule may leave a full pool for the other
record Seating(
    int staticSeats,
    boolean publishedSeats,
    int queueLimit,
    Duration queueTimeout,
    Order order,
    long ageingBytes,
    boolean spill) {
  /// How often later requests may go before the oldest one that waits.
  private static final int MOST_OVERTAKES = 32;

  private static final long MOST_SEATS = 1_000_000;

  static final Key<Long> STATIC_SEATS =
      Key.whole(
          "static_seats",
          null,
          0,
          MOST_SEATS,
          "requests at once for a static instance that names no max_concurrency; 0 for any number; by default 2, one running and one ready, or 1 with --policy adaptive, which decides later");
  static final Key<String> PAGED_SEATS =
      Key.oneOf(
          "paged_seats",
          "published",
          List.of("published", "any"),
          "requests at once for a paged instance that names no max_concurrency: the batch size that it publishes, or any number");
  static final Key<Long> QUEUE_LIMIT =
      Key.whole("queue_limit", 1024L, 0, 1_000_000, "requests that may wait for a place in all");
  static final Key<Duration> QUEUE_TIMEOUT =
      Key.seconds("queue_timeout", 240.0, 0, "how long a request may wait for a place");
  static final Key<String> QUEUE_ORDER =
      Key.oneOf(
          "queue_order",
          "shortest",
          List.of("shortest", "fifo"),
          "who is next when a place comes free: the shortest, with ageing, or the first");
  static final Key<Long> QUEUE_AGEING =
      Key.whole(
          "queue_ageing",
          8192L,
          0,
          1L << 40,
          "bytes of request that a second of waiting outweighs in the order of the shortest");
  static final Key<Boolean> SPILL =
      Key.flag("spill", false, "let a full pool pass requests on to instances outside of it");

  static final List<Key<?>> KEYS =
      List.of(
          STATIC_SEATS, PAGED_SEATS, QUEUE_LIMIT, QUEUE_TIMEOUT, QUEUE_ORDER, QUEUE_AGEING, SPILL);

  static Seating of(Config c) throws ConfigException {
    return new Seating(
        c.find(STATIC_SEATS)
            .orElse((long) Policies.staticSeats(c.get(RouterConfig.POLICY)))
            .intValue(),
        c.get(PAGED_SEATS).equals("published"),
        c.get(QUEUE_LIMIT).intValue(),
        c.get(QUEUE_TIMEOUT),
        c.get(QUEUE_ORDER).equals("fifo") ? Order.FIFO : Order.SHORTEST,
        c.get(QUEUE_AGEING),
        c.get(SPILL));
  }

  /// The same with what of `next` holds without a restart.
  Seating live(Seating next) {
    return new Seating(
        next.staticSeats,
        next.publishedSeats,
        next.queueLimit,
        next.queueTimeout,
        order,
        ageingBytes,
        spill);
  }

  <W> Line<W> line() {
    return new Line<>(order, (double) ageingBytes, MOST_OVERTAKES);
  }

  /// Seats of an instance, 0 for any number: `max_concurrency` where it says so, else by its cache
  /// type.
  int seats(
      Map<String, Object> metadata,
      @Nullable CacheType type,
      @Nullable List<Map<String, Object>> models) {
    long said = Metadata.whole(metadata.get("max_concurrency"));
    if (said >= 0) {
      return (int) Math.min(said, MOST_SEATS);
    }
    return switch (type) {
      case STATIC -> staticSeats;
      case PAGED -> publishedSeats ? published(metadata, models) : 0;
      case null -> 0;
    };
  }

  private static int published(
      Map<String, Object> metadata, @Nullable List<Map<String, Object>> models) {
    long most = batch(metadata);
    if (models != null) {
      for (Map<String, Object> m : models) {
        most = Math.max(most, batch(m));
      }
    }
    return (int) Math.clamp(most, 0, MOST_SEATS);
  }

  private static long batch(Map<String, Object> said) {
    return Math.max(
        Metadata.whole(said.get("max_batch_size")), Metadata.whole(said.get("max_num_seqs")));
  }

  /// The most that may be set; more than the priorities of SRV records (RFC 2782).
  private static final int MOST_TIER = 999_999;

  /// `tier` of its metadata; the first when it names none.
  static int tier(Map<String, Object> metadata) {
    long t = Metadata.whole(metadata.get("tier"));
    return t < 0 ? Instance.FIRST_TIER : (int) Math.min(t, MOST_TIER);
  }
}
