package org.infinilm.svc.trace;

import java.util.HexFormat;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// The trace that a request belongs to, as `traceparent` says it (W3C Trace Context, Recommendation
/// of 23 November 2021, section 3.2; its second level, Candidate Recommendation of 28 March 2024,
/// adds that an id is random). Immutable.
///
/// @param high the first half of the trace's id
/// @param low the second; not both are 0
/// @param parentId of the span that sent it; 0 where there is none
/// @param flags the lowest bit says that somebody records, the next that the id is random; no
///   others
public record TraceContext(long high, long low, long parentId, int flags) {
  public static final String FIELD = "traceparent";

  /// The list that tracing systems keep beside it.
  public static final String STATE = "tracestate";

  private static final int SAMPLED = 1;
  private static final int RANDOM = 2;

  /// What a receiver may keep of the flags; others are to be sent as 0 (level 2, section
  /// 3.2.2.5.3).
  private static final int KNOWN = SAMPLED | RANDOM;

  /// The bits of an id that are random where it says so (level 2, section 3.2.2.3).
  private static final int RANDOM_BITS = 56;

  private static final int LENGTH = 55;
  private static final int ID = 3;
  private static final int PARENT = 36;
  private static final int FLAGS = 53;
  private static final HexFormat HEX = HexFormat.of();

  /// A trace that begins here, and is recorded with the rest of its share.
  ///
  /// @param share 0..1
  public static TraceContext root(double share, RandomGenerator random) {
    return new TraceContext(id(random), random.nextLong(), 0, RANDOM).drawn(share);
  }

  /// The same, recorded if its id is among a share of all: whoever draws by the ids alike decides
  /// alike.
  ///
  /// @param share 0..1
  public TraceContext drawn(double share) {
    double of = (double) (low & ((1L << RANDOM_BITS) - 1)) / (double) (1L << RANDOM_BITS);
    int rest = flags & ~SAMPLED;
    return new TraceContext(high, low, parentId, of >= 1 - share ? rest | SAMPLED : rest);
  }

  /// A span's id; never 0.
  public static long id(RandomGenerator random) {
    long id;
    do {
      id = random.nextLong();
    } while (id == 0);
    return id;
  }

  /// What a field says, or null when it says nothing that may be followed. Of a later version what
  /// this one has is read (section 4.3).
  public static @Nullable TraceContext parse(String field) {
    int n = field.length();
    boolean first = field.startsWith("00-");
    if (n < LENGTH
        || (first ? n > LENGTH : n > LENGTH && field.charAt(LENGTH) != '-')
        || field.startsWith("ff")
        || !isHex(field, 0, ID - 1)
        || field.charAt(ID - 1) != '-'
        || !isHex(field, ID, PARENT - 1)
        || field.charAt(PARENT - 1) != '-'
        || !isHex(field, PARENT, FLAGS - 1)
        || field.charAt(FLAGS - 1) != '-'
        || !isHex(field, FLAGS, LENGTH)) {
      return null;
    }
    long high = HexFormat.fromHexDigitsToLong(field, ID, ID + 16);
    long low = HexFormat.fromHexDigitsToLong(field, ID + 16, ID + 32);
    long parent = HexFormat.fromHexDigitsToLong(field, PARENT, PARENT + 16);
    return (high | low) == 0 || parent == 0
        ? null
        : new TraceContext(
            high, low, parent, HexFormat.fromHexDigits(field, FLAGS, LENGTH) & KNOWN);
  }

  /// Lower-case digits alone.
  private static boolean isHex(String s, int from, int to) {
    for (int k = from; k < to; k++) {
      char c = s.charAt(k);
      if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
        return false;
      }
    }
    return true;
  }

  /// Whether it is recorded where it comes from.
  public boolean sampled() {
    return (flags & SAMPLED) != 0;
  }

  /// The trace's id, 32 hexadecimal digits.
  public String traceId() {
    return HEX.toHexDigits(high) + HEX.toHexDigits(low);
  }

  /// A span's id, 16 hexadecimal digits.
  public static String spanId(long id) {
    return HEX.toHexDigits(id);
  }

  /// The field for a request that a span of this trace sends.
  public String field(long spanId) {
    return "00-" + traceId() + "-" + spanId(spanId) + "-" + HEX.toHexDigits((byte) flags);
  }
}
