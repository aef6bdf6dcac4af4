package org.infinilm.svc.simulator;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// One way to misbehave, as `KIND[:name=value,...]` says it; docs/simulator.md has the table.
///
/// @param after tokens that are sent before it strikes
/// @param code the status of [Kind#STATUS] and [Kind#INFORMATIONAL]
/// @param retryAfter value of the Retry-After header, or null
/// @param delay between the pieces of [Kind#SLOW_DRIP]; how long [Kind#REFUSE] lasts, zero for good
/// @param every strikes each so-manieth request
/// @param probability strikes with it, 0..1
/// @param count how often it strikes at most
record Fault(
    Kind kind,
    int after,
    int code,
    @Nullable String retryAfter,
    Duration delay,
    int every,
    double probability,
    int count) {

  /// What goes wrong, in the words of the flag.
  enum Kind {
    /// Nothing listens; connections are refused.
    REFUSE("refuse"),
    /// The request is taken and never answered.
    HANG_BEFORE_HEAD("hang-before-head"),
    /// An error status.
    STATUS("status"),
    /// The connection is closed without an answer.
    CLOSE_BEFORE_HEAD("close-before-head"),
    /// The connection is reset without an answer.
    RESET_BEFORE_HEAD("reset-before-head"),
    /// The connection is reset within the answer.
    RESET("reset"),
    /// The connection is closed in order within the answer: no last chunk, or too few bytes.
    TRUNCATE("truncate"),
    /// Nothing comes any more within the answer.
    STALL("stall"),
    /// The answer comes a few bytes at a time.
    SLOW_DRIP("slow-drip"),
    /// The answer says text/plain.
    WRONG_CONTENT_TYPE("wrong-content-type"),
    /// Content-Length promises more than comes.
    WRONG_CONTENT_LENGTH("wrong-content-length"),
    /// Status 200 and headers come at once, and nothing after them.
    HEAD_THEN_HANG("head-then-hang"),
    /// An informational answer comes before the real one.
    INFORMATIONAL("1xx"),
    /// `/health` answers 503; requests are served.
    UNHEALTHY("unhealthy");

    private final String word;

    Kind(String word) {
      this.word = word;
    }

    private static Kind parse(String word) {
      for (Kind k : values()) {
        if (k.word.equals(word)) {
          return k;
        }
      }
      throw new IllegalArgumentException(
          "fault "
              + word
              + " (expected: one of "
              + Arrays.stream(values()).map(k -> k.word).collect(Collectors.joining(", "))
              + ")");
    }
  }

  private static final List<String> NAMES =
      List.of("after", "code", "retry-after", "delay", "every", "probability", "count");
  private static final Duration DRIP = Duration.ofMillis(50);

  /// @throws IllegalArgumentException naming the wrong word and what was expected
  static Fault parse(String spec) {
    int colon = spec.indexOf(':');
    String word = (colon < 0 ? spec : spec.substring(0, colon)).strip().toLowerCase(Locale.ROOT);
    Kind kind = Kind.parse(word);
    Fault f =
        new Fault(
            kind,
            1,
            kind == Kind.INFORMATIONAL ? 103 : 503,
            null,
            kind == Kind.SLOW_DRIP ? DRIP : Duration.ZERO,
            1,
            1,
            Integer.MAX_VALUE);
    if (colon < 0) {
      return f;
    }
    for (String pair : spec.substring(colon + 1).split(",", -1)) {
      int eq = pair.indexOf('=');
      String name = (eq < 0 ? pair : pair.substring(0, eq)).strip().toLowerCase(Locale.ROOT);
      if (eq < 0 || !NAMES.contains(name)) {
        throw new IllegalArgumentException(
            "fault "
                + spec
                + ": \""
                + pair
                + "\" (expected: name=value with "
                + String.join(", ", NAMES)
                + ")");
      }
      f = f.with(spec, name, pair.substring(eq + 1).strip());
    }
    return f;
  }

  /// This fault, if a single request can have it.
  ///
  /// @throws IllegalArgumentException for those of the whole instance
  Fault forOneRequest() {
    if (kind == Kind.REFUSE || kind == Kind.UNHEALTHY) {
      throw new IllegalArgumentException(
          "fault " + kind.word + " (expected: one that a single request can have)");
    }
    return this;
  }

  private Fault with(String spec, String name, String value) {
    return switch (name) {
      case "after" -> rebuilt(whole(spec, name, value, 0, 1 << 24), code, every, count);
      case "code" ->
          rebuilt(
              after,
              kind == Kind.INFORMATIONAL
                  ? whole(spec, name, value, 102, 199)
                  : whole(spec, name, value, 200, 599),
              every,
              count);
      case "every" -> rebuilt(after, code, whole(spec, name, value, 1, 1 << 24), count);
      case "count" -> rebuilt(after, code, every, whole(spec, name, value, 1, 1 << 24));
      case "retry-after" -> {
        whole(spec, name, value, 0, 86_400);
        yield new Fault(kind, after, code, value, delay, every, probability, count);
      }
      case "delay" -> {
        Duration d = Duration.ofNanos(Math.round(decimal(spec, name, value, 86_400) * 1e9));
        yield new Fault(kind, after, code, retryAfter, d, every, probability, count);
      }
      default -> {
        double p = decimal(spec, name, value, 1);
        yield new Fault(kind, after, code, retryAfter, delay, every, p, count);
      }
    };
  }

  private Fault rebuilt(int newAfter, int newCode, int newEvery, int newCount) {
    return new Fault(kind, newAfter, newCode, retryAfter, delay, newEvery, probability, newCount);
  }

  private static int whole(String spec, String name, String value, int min, int max) {
    try {
      int v = Integer.parseInt(value);
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(
        "fault "
            + spec
            + ": "
            + name
            + "="
            + value
            + " (expected: a whole number "
            + min
            + ".."
            + max
            + ")");
  }

  private static double decimal(String spec, String name, String value, int max) {
    try {
      double v = Double.parseDouble(value);
      if (v >= 0 && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(
        "fault " + spec + ": " + name + "=" + value + " (expected: a number 0.." + max + ")");
  }
}
