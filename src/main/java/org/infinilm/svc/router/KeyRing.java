package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The keys of clients that are in force: who asks. Thread-safe; reading takes no lock.
/*
 * A key has 256 random bits, so that its SHA-256 tells nothing of it, and a slow hash would slow the router alone
 * (docs/decisions/110). The first 8 bytes of the digest find the entry, and all of it is compared in constant
 * time: what can be timed is the digest of what was sent, from which no key follows.
 */
final class KeyRing {
  static final String SCHEME = "Bearer ";

  /// In which clients of this field send a key, to us or to an instance.
  static final List<String> FIELDS = List.of("authorization", "x-api-key", "api-key");

  private static final int LONGEST_KEY = 4096;

  /// Keys that are remembered though nothing of theirs is in flight.
  private static final int MOST_GONE = 10_000;

  private static final ThreadLocal<MessageDigest> SHA256 =
      ThreadLocal.withInitial(ClientKey::sha256);

  /// Why somebody is not let in, or not any further.
  enum Cause {
    MISSING,
    UNKNOWN,
    EXPIRED,
    MODEL,
    IN_FLIGHT,
    REQUESTS,
    TOKENS;

    static Cause of(Allowance.Limit met) {
      return switch (met) {
        case IN_FLIGHT -> IN_FLIGHT;
        case REQUESTS -> REQUESTS;
        case TOKENS -> TOKENS;
      };
    }

    /// Whether no key is at fault, for none is known.
    boolean isOfNobody() {
      return this == MISSING || this == UNKNOWN;
    }
  }

  /// Who asks: the holder of a key, or somebody who is told why not.
  sealed interface Who permits KeyHolder, Stranger {}

  /// @param key name of the key that he shows, where it is known and opens nothing any more
  record Stranger(Cause cause, ApiError error, @Nullable String key) implements Who {}

  private record Entry(byte[] digest, KeyHolder holder) {}

  private static final Stranger NONE =
      new Stranger(
          Cause.MISSING,
          ApiError.unauthorized(
              "missing_api_key", "no key (expected: Authorization: Bearer KEY, or x-api-key: KEY)"),
          null);
  private static final Stranger OTHER =
      new Stranger(
          Cause.UNKNOWN,
          ApiError.unauthorized("invalid_api_key", "the key is not known here"),
          null);

  private final Ticker ticker;
  private final LongAdder missing = new LongAdder();
  private final LongAdder unknown = new LongAdder();
  private volatile Map<Long, Entry> byHash = Map.of();

  /// Those that are not in force any more and have used something that counts when they come back.
  private List<KeyHolder> gone = List.of();

  KeyRing(List<ClientKey> keys, Ticker ticker) {
    this.ticker = ticker;
    replace(keys);
  }

  /// Whether there are none: everybody may ask.
  boolean isEmpty() {
    return byHash.isEmpty();
  }

  /// Puts other keys into force. One that keeps its hash, under whatever name, keeps what it has
  /// used, else one that keeps its name; one that comes back too.
  synchronized void replace(List<ClientKey> keys) {
    // whose requests run is told by what opens them: a name may go on to another key
    Map<String, KeyHolder> left = new LinkedHashMap<>();
    gone.forEach(h -> left.put(h.key().hash(), h));
    byHash.values().forEach(e -> left.put(e.holder().key().hash(), e.holder()));
    Map<String, KeyHolder> kept = new HashMap<>();
    for (ClientKey k : keys) {
      KeyHolder same = left.remove(k.hash());
      if (same != null) {
        kept.put(k.hash(), same);
      }
    }
    // of those of one name the last one: in force until now, else gone last
    Map<String, KeyHolder> named = new HashMap<>();
    left.values().forEach(h -> named.put(h.name(), h));
    Map<Long, Entry> next = new HashMap<>();
    for (ClientKey k : keys) {
      KeyHolder h = kept.get(k.hash());
      if (h == null) {
        h = named.remove(k.name());
        if (h != null) {
          left.remove(h.key().hash());
        }
      }
      if (h == null) {
        h = new KeyHolder(k, ticker);
      } else if (h.name().equals(k.name())) {
        h.is(k);
      } else {
        h = h.renamed(k);
      }
      byte[] digest = HexFormat.of().parseHex(k.hash());
      next.put(first(digest), new Entry(digest, h));
    }
    left.values().removeIf(KeyHolder::isUnused);
    if (left.size() > MOST_GONE) {
      left.values().removeIf(h -> h.inFlight() == 0);
    }
    gone = List.copyOf(left.values());
    byHash = Map.copyOf(next);
  }

  private static long first(byte[] digest) {
    return ByteBuffer.wrap(digest).getLong();
  }

  /// Who asks, by a request's fields; counts those that are nobody.
  ///
  /// @param field the first value of a field, by its name in lower case
  Who who(Function<String, @Nullable String> field) {
    String authorization = field.apply("authorization");
    String bearer = authorization == null ? null : bearer(authorization);
    String plain = field.apply("x-api-key");
    KeyHolder h = holder(bearer);
    h = h == null ? holder(plain) : h;
    if (h == null) {
      boolean none = blank(authorization) && blank(plain);
      (none ? missing : unknown).increment();
      return none ? NONE : OTHER;
    }
    Instant end = h.key().expires();
    if (end != null && !ticker.now().isBefore(end)) {
      h.refused(Cause.EXPIRED);
      return new Stranger(
          Cause.EXPIRED,
          ApiError.unauthorized("expired_api_key", "the key " + h.name() + " expired at " + end),
          h.name());
    }
    return h;
  }

  private static boolean blank(@Nullable String s) {
    return s == null || s.isBlank();
  }

  /// The token of an Authorization field whose scheme is Bearer, in any case (RFC 9110 section
  /// 11.1), or an empty text.
  static String bearer(String field) {
    return field.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
        ? field.substring(SCHEME.length()).strip()
        : "";
  }

  private @Nullable KeyHolder holder(@Nullable String key) {
    if (key == null || key.isEmpty() || key.length() > LONGEST_KEY) {
      return null;
    }
    byte[] digest = SHA256.get().digest(key.strip().getBytes(US_ASCII));
    Entry e = byHash.get(first(digest));
    return e != null && MessageDigest.isEqual(e.digest(), digest) ? e.holder() : null;
  }

  /// Those in force, by name.
  Collection<KeyHolder> holders() {
    List<KeyHolder> out = new ArrayList<>();
    byHash.values().forEach(e -> out.add(e.holder()));
    out.sort(Comparator.comparing(KeyHolder::name));
    return out;
  }

  /// Requests of nobody: without a key, or with one that is not known.
  long strangers(Cause cause) {
    return switch (cause) {
      case MISSING -> missing.sum();
      case UNKNOWN -> unknown.sum();
      default -> 0;
    };
  }
}
