package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The last decisions, in a ring of fixed size. Each keeps names and numbers alone: no fleet and no
/// instance lives on because a request once went by it. Thread-safe.
final class Decisions {
  private static final Logger LOG = LoggerFactory.getLogger(Decisions.class);

  /// What a decision takes with a long path and names of its own.
  private static final int BYTES = 1024;

  /// The part of the heap, one in so many, that decisions may take.
  private static final int MOST_PART = 4;

  /// One decision and what became of it; the words are rebuilt when it is read.
  ///
  /// @param requestId of ASCII characters
  /// @param endNanos when it ended, by the router's monotonic clock
  /// @param instance name of the instance that it came to, or null
  /// @param roll its candidates, shared with other decisions among the same
  /// @param failed names of the instances on which it had failed before
  /// @param avoided names of those that were passed over for its model or session, which they fail
  ///   or asked to be left alone with
  /// @param usage token counts that the answer gave, or null
  /// @param events of a streamed answer
  /// @param forecast what a learned policy foretold of it
  /// @param key name of the client's key, or null
  /// @param sentToFirstNanos from the last attempt's sending to its first token, 0 when it is not
  ///   known
  /// @param said what the client was told in place of an instance's answer, or null
  /// @param traceId of the trace that it is part of, or null where there are none
  record Decision(
      long sequence,
      String requestId,
      long epochMillis,
      long endNanos,
      String method,
      String path,
      String model,
      long size,
      long threshold,
      long needTokens,
      @Nullable Pool pool,
      @Nullable String instance,
      @Nullable Reason reason,
      Roll roll,
      List<String> failed,
      List<String> avoided,
      Outcome outcome,
      int status,
      int attempts,
      long queueNanos,
      long ttftNanos,
      long totalNanos,
      long requestBytes,
      long responseBytes,
      @Nullable Usage usage,
      int events,
      Forecast forecast,
      long sentToFirstNanos,
      @Nullable String key,
      @Nullable Said said,
      @Nullable String traceId) {

    /// The model on offer, else the one that the request names; null when it is not known.
    @Nullable String modelAsked() {
      return !model.isEmpty() ? model : said == null ? null : said.model;
    }

    /// Time for each token of a streamed answer after its first, in nanoseconds; for each event
    /// where the answer does not tell its tokens; 0 when there is none.
    long tpotNanos() {
      long told = usage == null ? 0 : usage.completionTokens();
      long parts = events < 2 ? 0 : told > 1 ? told : events;
      return parts == 0 || ttftNanos == 0 ? 0 : (totalNanos - ttftNanos) / (parts - 1);
    }
  }

  /// An error of the router's own: what it is and what the client was told, no longer than a line,
  /// without text of the request.
  ///
  /// @param model that the request names where it is none that is on offer to it; never a label
  record Said(String code, String message, @Nullable String model) {
    private static final int LONGEST = 400;

    static Said of(ApiError e, @Nullable String model) {
      String m = e.message();
      return new Said(
          e.code(),
          m.length() > LONGEST ? m.substring(0, LONGEST) + "..." : m,
          model == null ? null : ModelNames.shown(model));
    }
  }

  /// A decision taken apart. What is written again and again lies in memory that stays: a decision
  /// that was kept as an object would outlive collections only to be thrown away a moment later.
  private static final class Slot {
    static final long EMPTY = -1;

    long sequence = EMPTY;
    byte[] requestId = {};
    int requestIdLength;
    long epochMillis;
    long endNanos;
    String method = "";
    String path = "";
    String model = "";
    long size;
    long threshold;
    long needTokens;
    @Nullable Pool pool;
    @Nullable String instance;
    @Nullable Reason reason;
    Roll roll = Roll.NONE;
    List<String> failed = List.of();
    List<String> avoided = List.of();
    Outcome outcome = Outcome.OK;
    int status;
    int attempts;
    long queueNanos;
    long ttftNanos;
    long totalNanos;
    long requestBytes;
    long responseBytes;
    boolean told;
    long promptTokens;
    long completionTokens;
    long cachedTokens;
    int events;
    Forecast forecast = Forecast.NONE;
    long sentToFirstNanos;
    @Nullable String key;
    @Nullable Said said;
    @Nullable String traceId;

    void set(Decision d) {
      sequence = d.sequence;
      id(d.requestId);
      epochMillis = d.epochMillis;
      endNanos = d.endNanos;
      size = d.size;
      threshold = d.threshold;
      needTokens = d.needTokens;
      status = d.status;
      attempts = d.attempts;
      queueNanos = d.queueNanos;
      ttftNanos = d.ttftNanos;
      totalNanos = d.totalNanos;
      requestBytes = d.requestBytes;
      responseBytes = d.responseBytes;
      Usage u = d.usage;
      told = u != null;
      promptTokens = u == null ? 0 : u.promptTokens();
      completionTokens = u == null ? 0 : u.completionTokens();
      cachedTokens = u == null ? 0 : u.cachedTokens();
      events = d.events;
      sentToFirstNanos = d.sentToFirstNanos;
      words(d);
    }

    /// Words are most often those of the decision before: a collector has nothing to look at where
    /// nothing was written.
    @SuppressWarnings("ReferenceEquality") // only saves a write
    private void words(Decision d) {
      if (method != d.method) {
        method = d.method;
      }
      if (path != d.path) {
        path = d.path;
      }
      if (model != d.model) {
        model = d.model;
      }
      if (pool != d.pool) {
        pool = d.pool;
      }
      if (instance != d.instance) {
        instance = d.instance;
      }
      if (reason != d.reason) {
        reason = d.reason;
      }
      if (roll != d.roll) {
        roll = d.roll;
      }
      if (failed != d.failed) {
        failed = d.failed;
      }
      if (avoided != d.avoided) {
        avoided = d.avoided;
      }
      if (outcome != d.outcome) {
        outcome = d.outcome;
      }
      if (forecast != d.forecast) {
        forecast = d.forecast;
      }
      if (key != d.key) {
        key = d.key;
      }
      if (said != d.said) {
        said = d.said;
      }
      if (traceId != d.traceId) {
        traceId = d.traceId;
      }
    }

    private void id(String text) {
      int n = text.length();
      if (requestId.length < n) {
        requestId = new byte[n];
      }
      for (int k = 0; k < n; k++) {
        requestId[k] = (byte) text.charAt(k);
      }
      requestIdLength = n;
    }

    Decision get() {
      return new Decision(
          sequence,
          new String(requestId, 0, requestIdLength, ISO_8859_1),
          epochMillis,
          endNanos,
          method,
          path,
          model,
          size,
          threshold,
          needTokens,
          pool,
          instance,
          reason,
          roll,
          failed,
          avoided,
          outcome,
          status,
          attempts,
          queueNanos,
          ttftNanos,
          totalNanos,
          requestBytes,
          responseBytes,
          told ? new Usage(promptTokens, completionTokens, cachedTokens) : null,
          events,
          forecast,
          sentToFirstNanos,
          key,
          said,
          traceId);
    }
  }

  /// Of one outcome that did not end well, which stay when the ring has turned; a flood of one is
  /// no end of the others.
  static final int MOST_FAILED = 1024;

  /// The last of one outcome.
  private static final class Failed {
    final AtomicReferenceArray<@Nullable Decision> last = new AtomicReferenceArray<>(MOST_FAILED);
    final AtomicInteger next = new AtomicInteger();

    void add(Decision d) {
      last.set(next.getAndIncrement() & (MOST_FAILED - 1), d);
    }
  }

  private final Slot[] slots;
  private final Map<Outcome, Failed> failed = new EnumMap<>(Outcome.class);
  private final Consumer<Decision> also;
  private final AtomicLong next = new AtomicLong();

  /// Warns where so many decisions would take much of the heap.
  static void warnOfSize(int decisions, long heapBytes) {
    String warning = sizeWarning(decisions, heapBytes);
    if (warning != null) {
      LOG.warn(warning);
    }
  }

  static @Nullable String sizeWarning(int decisions, long heapBytes) {
    return (long) decisions * BYTES <= heapBytes / MOST_PART
        ? null
        : "decisions: "
            + decisions
            + " take up to "
            + ((long) decisions * BYTES >> 20)
            + " MiB of "
            + (heapBytes >> 20)
            + " MiB of heap (expected: at most "
            + heapBytes / MOST_PART / BYTES
            + ", or a larger -Xmx in INFINI_JAVA_OPTS)";
  }

  Decisions(int size) {
    this(size, d -> {});
  }

  /// @param also takes each decision as well; called on event loops, never blocks
  Decisions(int size, Consumer<Decision> also) {
    this.also = also;
    for (Outcome o : Outcome.values()) {
      if (o != Outcome.OK) {
        failed.put(o, new Failed());
      }
    }
    slots = new Slot[Integer.highestOneBit(Math.max(2, size))];
    for (int k = 0; k < slots.length; k++) {
      slots[k] = new Slot();
    }
  }

  /// The sequence number for the next decision.
  long claim() {
    return next.getAndIncrement();
  }

  void put(Decision d) {
    Slot s = slots[(int) (d.sequence() & (slots.length - 1))];
    synchronized (s) {
      if (s.sequence < d.sequence()) {
        s.set(d);
      }
    }
    Failed f = failed.get(d.outcome());
    if (f != null) {
      f.add(d);
    }
    also.accept(d);
  }

  /// One past the last claimed sequence number.
  long end() {
    return next.get();
  }

  int size() {
    return slots.length;
  }

  /// The decision of a sequence number, or null when it is not written yet or overwritten.
  @Nullable Decision at(long sequence) {
    Slot s = slots[(int) (sequence & (slots.length - 1))];
    synchronized (s) {
      return s.sequence == sequence ? s.get() : null;
    }
  }

  /// The last of those that did not end well, newest first: of the last minute, and as far as the
  /// ring reaches.
  ///
  /// @param nowNanos the router's monotonic clock
  List<Decision> failed(long nowNanos) {
    List<Decision> out = new ArrayList<>();
    long oldest = end() - slots.length;
    for (Failed f : failed.values()) {
      for (int k = 0; k < MOST_FAILED; k++) {
        Decision d = f.last.get(k);
        if (d != null && (d.sequence() >= oldest || Figures.isOfLastMinute(d, nowNanos))) {
          out.add(d);
        }
      }
    }
    out.sort(Comparator.comparingLong(Decision::sequence).reversed());
    return out;
  }

  /// The last `limit` decisions, newest first.
  List<Decision> last(int limit) {
    List<Decision> out = new ArrayList<>();
    long end = end();
    for (long k = end - 1; k >= 0 && k > end - 1 - slots.length && out.size() < limit; k--) {
      Decision d = at(k);
      if (d != null) {
        out.add(d);
      }
    }
    return out;
  }
}
