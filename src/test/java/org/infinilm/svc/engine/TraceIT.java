package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Random arrivals, cancels, lengths and shared prefixes against llama.cpp, on one thread and step
/// by step: the same seed gives the same trace.
class TraceIT {
  private static final long SEED = 20_260_210;
  private static final int BLOCK = 16;
  private static final int CELLS = 512;

  /// A trace.
  ///
  /// @param chunk as [Scheduler.Limits#chunkTokens]
  /// @param most longest prompt, longest answer
  private record Trace(
      boolean pooled, int chunk, int requests, int mostPrompt, int mostAnswer, long seed) {
    @Override
    public String toString() {
      return (pooled ? "paged, chunk " + chunk : "static") + ", seed " + seed;
    }
  }

  @TempDir Path folder;

  @Test
  void paged() throws Exception {
    run(new Trace(true, 0, 2000, 100, 30, SEED));
  }

  @Test
  void pagedInChunks() throws Exception {
    run(new Trace(true, 24, 1000, 100, 30, SEED + 1));
  }

  @Test
  void staticCache() throws Exception {
    run(new Trace(false, 0, 2000, 100, 16, SEED + 2));
  }

  /// Requests whose clients go away at any time leave nothing behind: no cell, no entry of a list.
  @Test
  void aThousandCancelledRequestsLeaveNothing() throws Exception {
    Path file = GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 5, null);
    try (NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file)) {
      llama.open(new Llama.Layout(CELLS, 64, 64, 20, 1, false, false));
      Drive d = new Drive(new Trace(true, 0, 1000, 100, 30, SEED + 3), llama);
      List<WeakReference<Job>> gone = d.cancelAll();
      await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> {
            System.gc();
            return gone.stream().allMatch(r -> r.get() == null);
          });
      assertThat(llama.usedCells()).isZero();
    }
  }

  private void run(Trace t) throws Exception {
    Path file = GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 5, null);
    try (NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), file)) {
      llama.open(new Llama.Layout(CELLS, 64, 64, 20, 1, false, false));
      new Drive(t, llama).run();
    }
  }

  /// One engine and the requests it was given.
  private static final class Drive {
    static final int MOST_KEPT = 200;

    private final Trace t;
    private final NativeLlama llama;
    private final Cache cache;
    private final Engine engine;
    private final Random random;
    private final List<Job> live = new ArrayList<>();
    private final Set<Job> cancelled = new HashSet<>();
    private final int[][] systems = new int[5][];
    private int completed;
    private int broken;
    private long cached;

    Drive(Trace t, NativeLlama llama) {
      this.t = t;
      this.llama = llama;
      this.random = new Random(t.seed());
      this.cache =
          t.pooled()
              ? new PagedCache(llama, CELLS, BLOCK, 6, 14, MOST_KEPT)
              : new StaticCache(llama);
      this.engine =
          new Engine(
              llama,
              cache,
              new Scheduler.Limits(t.pooled(), CELLS, BLOCK, t.pooled() ? 6 : 1, 64, t.chunk()),
              new TokenTable(llama.vocabulary()),
              EngineSetup.DEFAULT_PATIENCE,
              new EngineMetrics("m", true, BLOCK, CELLS / BLOCK),
              Ticker.SYSTEM);
      for (int i = 0; i < systems.length; i++) {
        systems[i] = random.ints(60, 259, 380).toArray();
      }
    }

    void run() throws InterruptedException {
      int submitted = 0;
      int left = 400_000;
      while (submitted < t.requests() || !live.isEmpty()) {
        assertThat(left--).as(() -> t + ": steps left").isPositive();
        while (submitted < t.requests() && live.size() < 12 && random.nextInt(3) > 0) {
          submit();
          submitted++;
        }
        if (!live.isEmpty() && random.nextInt(60) == 0) {
          Job victim = live.get(random.nextInt(live.size()));
          cancelled.add(victim);
          engine.cancel(victim);
        }
        engine.step();
        check();
        collect();
      }
      assertThat(completed + broken).isEqualTo(t.requests());
      assertThat(broken).as(t + ": cancelled in time").isBetween(20, t.requests() / 2);
      assertThat(cached).as(t + ": shared tokens").isPositive();
      cache.clear();
      check();
      assertThat(llama.usedCells()).as(t.toString()).isZero();
    }

    /// Submits all requests and cancels each after a few steps.
    List<WeakReference<Job>> cancelAll() throws InterruptedException {
      List<WeakReference<Job>> all = new ArrayList<>();
      while (all.size() < t.requests()) {
        submit();
        all.add(new WeakReference<>(live.getLast()));
        for (int steps = random.nextInt(4); steps > 0; steps--) {
          engine.step();
          check();
        }
        if (live.size() > random.nextInt(8)) {
          live.forEach(engine::cancel);
          engine.step();
          check();
          for (Job j : live) {
            Job.Event last = j.poll();
            while (last instanceof Job.Event.Text) {
              last = j.poll();
            }
            assertThat(last).as("within one step").isNotNull();
          }
          live.clear();
        }
      }
      live.forEach(engine::cancel);
      live.clear();
      engine.step();
      assertThat(cache.runningTokens()).isZero();
      return all;
    }

    private void submit() {
      int[] system = systems[random.nextInt(systems.length)];
      int[] prompt = new int[1 + random.nextInt(t.mostPrompt())];
      boolean own = random.nextInt(4) == 0;
      for (int i = 0; i < prompt.length; i++) {
        prompt[i] = i < system.length && !own ? system[i] : 259 + random.nextInt(120);
      }
      Sampling sampling =
          new Sampling(random.nextInt(2), 20, 0.9, 0, random.nextLong(), List.of(), false);
      live.add(
          engine
              .submit(prompt, 1 + random.nextInt(t.mostAnswer()), sampling)
              .orElseThrow(() -> new AssertionError(t + ": refused")));
    }

    /// The cache's books are the library's.
    private void check() {
      int used = llama.usedCells();
      if (used != cache.usedTokens() || cache.runningTokens() > used || used > CELLS) {
        assertThat(cache.usedTokens()).as(t + ": cells in use").isEqualTo(used);
        assertThat(cache.runningTokens()).as(t + ": cells of running").isBetween(0, used);
      }
    }

    private void collect() throws InterruptedException {
      for (Job j : List.copyOf(live)) {
        Job.Event event = j.poll();
        while (event != null) {
          if (!(event instanceof Job.Event.Text)) {
            live.remove(j);
            ended(j, event);
            assertThat(j.poll()).as(t + ": after the last word").isNull();
          }
          event = j.poll();
        }
      }
    }

    private void ended(Job j, Job.Event last) {
      if (last instanceof Job.Event.End(var reason, var tokens)) {
        completed++;
        cached += j.cachedTokens();
        assertThat(reason.equals("stop") || tokens == j.maxTokens()).as(t.toString()).isTrue();
      } else {
        broken++;
        assertThat(last).as(t.toString()).isEqualTo(new Job.Event.Broken(Job.Why.CANCELLED));
        assertThat(cancelled).as(t.toString()).contains(j);
      }
    }
  }
}
