package org.infinilm.svc.router;

import io.netty.util.concurrent.FastThreadLocal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;

/// The exchanges in flight, a linked list for each event loop, which that loop alone touches. Who
/// wants to see them asks the loops.
final class Flights {
  /// Where a request stands.
  enum Stage {
    /// It waits for a place.
    QUEUED("queued"),
    /// It was sent, and nothing of an answer's body has come.
    PREFILL("prefill"),
    /// Its answer comes.
    DECODE("decode");

    private final String label;

    Stage(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }
  }

  /// One request in flight as its loop saw it.
  record Flight(
      String requestId,
      String path,
      String model,
      long size,
      Stage stage,
      @Nullable Pool pool,
      @Nullable String instance,
      @Nullable Reason reason,
      int attempts,
      long ageNanos,
      int events) {
    static Flight of(
        Account account, Question question, @Nullable Attempt attempt, @Nullable Answer answer) {
      Stage where =
          account.isWaiting() || attempt == null
              ? Stage.QUEUED
              : attempt.firstByteNanos() == 0 ? Stage.PREFILL : Stage.DECODE;
      return new Flight(
          account.requestId(),
          account.path(),
          question.model() == null ? "" : question.model(),
          question.size(),
          where,
          attempt == null ? null : attempt.pool(),
          attempt == null ? null : attempt.instance().name(),
          attempt == null ? null : attempt.reason(),
          account.sends(),
          account.elapsedNanos(),
          answer == null ? 0 : answer.tap().events());
    }
  }

  /// What can be seen of an exchange; a link of its loop's list.
  abstract static class Seen {
    private @Nullable Seen before;
    private @Nullable Seen after;
    private @Nullable Loop loop;

    /// On its loop.
    abstract Flight flight();
  }

  /// What loops answered.
  ///
  /// @param counts by stage
  /// @param oldest first
  /// @param whole false when a loop did not answer in time
  record Sample(Map<Stage, Integer> counts, List<Flight> oldest, boolean whole) {}

  private static final class Loop {
    final Executor executor;
    @Nullable Seen first;
    @Nullable Seen last;

    Loop(Executor executor) {
      this.executor = executor;
    }
  }

  private final FastThreadLocal<Loop> mine = new FastThreadLocal<>();
  private final List<Loop> loops = new CopyOnWriteArrayList<>();

  /// @param executor of the calling loop
  void enter(Seen s, Executor executor) {
    Loop l = mine.get();
    if (l == null) {
      l = new Loop(executor);
      mine.set(l);
      loops.add(l);
    }
    s.loop = l;
    s.before = l.last;
    if (l.last == null) {
      l.first = s;
    } else {
      l.last.after = s;
    }
    l.last = s;
  }

  /// Does nothing when it is not in.
  void leave(Seen s) {
    Loop l = s.loop;
    if (l == null) {
      return;
    }
    if (s.before == null) {
      l.first = s.after;
    } else {
      s.before.after = s.after;
    }
    if (s.after == null) {
      l.last = s.before;
    } else {
      s.after.before = s.before;
    }
    s.loop = null;
    s.before = null;
    s.after = null;
  }

  /// Asks all loops; waits, for a moment at most.
  ///
  /// @param most of the oldest that are told one by one
  Sample sample(int most, long timeoutNanos) throws InterruptedException {
    List<CompletableFuture<Sample>> asked = new ArrayList<>();
    boolean whole = true;
    for (Loop l : loops) {
      CompletableFuture<Sample> answer = new CompletableFuture<>();
      try {
        l.executor.execute(() -> look(l, most, answer));
        asked.add(answer);
      } catch (RejectedExecutionException ended) {
        whole = false;
      }
    }
    Map<Stage, Integer> counts = new EnumMap<>(Stage.class);
    List<Flight> all = new ArrayList<>();
    for (CompletableFuture<Sample> a : asked) {
      try {
        Sample s = a.get(timeoutNanos, TimeUnit.NANOSECONDS);
        s.counts().forEach((stage, n) -> counts.merge(stage, n, Integer::sum));
        all.addAll(s.oldest());
      } catch (TimeoutException | ExecutionException late) {
        whole = false;
      }
    }
    all.sort(Comparator.comparingLong(Flight::ageNanos).reversed());
    return new Sample(counts, List.copyOf(all.subList(0, Math.min(most, all.size()))), whole);
  }

  private static void look(Loop l, int most, CompletableFuture<Sample> answer) {
    try {
      Map<Stage, Integer> counts = new EnumMap<>(Stage.class);
      List<Flight> oldest = new ArrayList<>();
      for (Seen s = l.first; s != null; s = s.after) {
        Flight f = s.flight();
        counts.merge(f.stage(), 1, Integer::sum);
        if (oldest.size() < most) {
          oldest.add(f);
        }
      }
      answer.complete(new Sample(counts, oldest, true));
    } catch (RuntimeException e) {
      answer.completeExceptionally(e);
    }
  }
}
