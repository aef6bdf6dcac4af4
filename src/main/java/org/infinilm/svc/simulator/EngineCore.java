package org.infinilm.svc.simulator;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.jspecify.annotations.Nullable;

/*
 * Discrete events on a virtual clock. The state is: the clock, the step under way with its end, the
 * scheduler's queues and pool, and one counter of random numbers. A step begins as late as possible,
 * in advance() or nextNanos(), so that everything submitted at one instant is considered together.
 * Tokens come out at step ends only; that is what makes a long prefill visible as a gap in every
 * other stream. fork() copies the whole state, to ask what would happen otherwise.
 */

/// A simulated inference engine without sockets, threads or a real clock: the same calls with the
/// same seed give the same emissions. Not thread-safe; one owner.
final class EngineCore {
  /// What became of a submitted job.
  enum Admission {
    QUEUED,
    /// It cannot fit and the engine refuses such jobs.
    REFUSED
  }

  private final EngineSettings settings;
  private final long seed;
  private final Scheduler scheduler;
  private final Map<Long, Sequence> live = new LinkedHashMap<>();
  private final List<Emission> immediate = new ArrayList<>();
  private long nowNanos;
  private long steps;
  private @Nullable Batch step;
  private long stepEndNanos;
  private int lost;

  EngineCore(EngineSettings settings, long seed) {
    this(
        settings,
        seed,
        settings.cacheType() != CacheType.STATIC
            ? new PagedScheduler(settings)
            : settings.slots() > 1
                ? new SlotScheduler(settings)
                : new StaticScheduler(settings.maxCacheLenTokens()));
  }

  private EngineCore(EngineSettings settings, long seed, Scheduler scheduler) {
    this.settings = settings;
    this.seed = seed;
    this.scheduler = scheduler;
  }

  /// A copy that lives on by itself.
  EngineCore fork() {
    IdentityHashMap<Sequence, Sequence> copies = new IdentityHashMap<>();
    EngineCore c =
        new EngineCore(
            settings, seed, scheduler.fork(s -> copies.computeIfAbsent(s, Sequence::copy)));
    live.forEach((id, s) -> c.live.put(id, copies.computeIfAbsent(s, Sequence::copy)));
    c.immediate.addAll(immediate);
    c.nowNanos = nowNanos;
    c.steps = steps;
    c.step = step == null ? null : step.mapped(s -> copies.computeIfAbsent(s, Sequence::copy));
    c.stepEndNanos = stepEndNanos;
    c.lost = lost;
    return c;
  }

  long nowNanos() {
    return nowNanos;
  }

  /// Adds a job now; [Overflow] decides about one that can never fit.
  ///
  /// @throws IllegalArgumentException when the id is in use
  Admission submit(Job job) {
    if (live.containsKey(job.id())) {
      throw new IllegalArgumentException("job " + job.id() + " was submitted before");
    }
    long roomTokens = settings.capacityTokens() - job.prompt().tokens();
    if (job.maxTokens() <= roomTokens) {
      enqueue(job);
      return Admission.QUEUED;
    }
    switch (settings.overflow()) {
      case ERROR -> {
        return Admission.REFUSED;
      }
      case HANG -> {
        live.put(job.id(), new Sequence(job));
        lost++;
      }
      case TRUNCATE -> {
        if (roomTokens >= 1) {
          enqueue(job.withMaxTokens((int) roomTokens));
        } else {
          immediate.add(new Emission(job.id(), nowNanos, false, 0, Emission.End.CACHE_FULL));
        }
      }
    }
    return Admission.QUEUED;
  }

  private void enqueue(Job job) {
    Sequence s = new Sequence(job);
    live.put(job.id(), s);
    scheduler.enqueue(s);
  }

  /// Ends a job now: one that waits leaves at once, one in the step under way at the step's end,
  /// and neither emits again. False when it is not here.
  boolean cancel(long job) {
    Sequence s = live.remove(job);
    if (s == null) {
      return false;
    }
    if (settings.capacityTokens() < (long) s.promptTokens() + s.maxTokens()) {
      lost--;
      return true;
    }
    s.cancel();
    if (step == null || step.slices().stream().noneMatch(x -> x.sequence() == s)) {
      scheduler.remove(s);
    }
    return true;
  }

  /// When something comes out next; [Long#MAX_VALUE] when nothing will.
  long nextNanos() {
    if (!immediate.isEmpty()) {
      return nowNanos;
    }
    return begin() ? stepEndNanos : Long.MAX_VALUE;
  }

  /// Lets time pass until `untilNanos`; returns what came out, in order.
  List<Emission> advance(long untilNanos) {
    List<Emission> out = new ArrayList<>(immediate);
    immediate.clear();
    while (begin() && stepEndNanos <= untilNanos) {
      nowNanos = stepEndNanos;
      end(out);
    }
    nowNanos = Math.max(nowNanos, untilNanos);
    return out;
  }

  private boolean begin() {
    if (step == null) {
      Batch next = scheduler.next();
      if (next.isEmpty()) {
        return false;
      }
      double swing = settings.jitter() * (2 * Seeds.unitAt(seed, steps++) - 1);
      double nanos = settings.latency().stepMillis(next) * 1e6 * (1 + swing);
      step = next;
      stepEndNanos = nowNanos + Math.max(1, Math.round(nanos));
    }
    return true;
  }

  private void end(List<Emission> out) {
    Batch done = step == null ? Batch.NONE : step;
    step = null;
    for (Batch.Slice slice : done.slices()) {
      Sequence s = slice.sequence();
      if (!slice.decode()) {
        s.compute(slice.newTokens());
        if (s.prefilled()) {
          scheduler.prefilled(s);
        }
      }
      if (s.cancelled()) {
        scheduler.remove(s);
      } else if (s.prefilled()) {
        s.generate();
        out.add(emission(s));
        if (s.finished()) {
          live.remove(s.id());
          scheduler.remove(s);
        }
      }
    }
  }

  private Emission emission(Sequence s) {
    Emission.End end = Emission.End.NOT_YET;
    if (s.finished()) {
      boolean full = s.contextTokens() == settings.capacityTokens();
      end = full ? Emission.End.CACHE_FULL : Emission.End.COMPLETE;
    }
    return new Emission(s.id(), nowNanos, true, s.cachedTokens(), end);
  }

  /// Sequences in the engine's batch.
  int running() {
    return scheduler.running();
  }

  /// Jobs queued, those that never fit included.
  int waiting() {
    return scheduler.waiting() + lost;
  }

  /// Share of the KV cache in use, 0..1; what a paged engine reserved counts as used.
  double cacheUsage() {
    return scheduler.cacheUsage();
  }
}
