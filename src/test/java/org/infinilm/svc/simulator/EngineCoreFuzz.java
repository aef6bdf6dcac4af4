package org.infinilm.svc.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Random jobs against naive twins and against what must always hold.
class EngineCoreFuzz {
  private static final int ROUNDS = 150;

  private static Prompt prompt(Random random, int blockTokens, int texts, int maxTokens) {
    int tokens = 1 + random.nextInt(maxTokens);
    long text = random.nextInt(texts);
    List<Long> chain = new ArrayList<>();
    for (int i = 0; i < tokens / blockTokens; i++) {
      chain.add(Seeds.at(text, i));
    }
    return new Prompt(tokens, blockTokens, chain);
  }

  /// A static engine is a queue with one server.
  @Test
  void staticAgreesWithASingleServerQueue() {
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      EngineCore core = new EngineCore(EngineSettings.ofStatic(100_000), round);
      List<Emission> out = new ArrayList<>();
      Map<Long, Long> expected = new HashMap<>();
      long free = 0;
      Prompt before = new Prompt(1, 16, List.of());
      for (long id = 0; id < 30; id++) {
        long arrival = core.nowNanos() + random.nextInt(200_000_000);
        out.addAll(core.advance(arrival));
        Job job = new Job(id, prompt(random, 16, 3, 3000), 1 + random.nextInt(20));
        core.submit(job);
        free = Math.max(free, arrival) + alone(job, job.prompt().sharedTokens(before));
        before = job.prompt();
        expected.put(id, free);
      }
      out.addAll(core.advance(Long.MAX_VALUE / 2));
      Map<Long, Long> ends = new HashMap<>();
      out.forEach(e -> ends.put(e.job(), e.atNanos()));
      assertThat(ends).as("seed %s", round).isEqualTo(expected);
    }
  }

  private static long alone(Job job, int cached) {
    Sequence s = new Sequence(job);
    s.admit(cached);
    long nanos = step(Batch.Slice.prefill(s));
    s.compute(job.prompt().tokens() - cached);
    for (s.generate(); !s.finished(); s.generate()) {
      nanos += step(Batch.Slice.decode(s));
    }
    return nanos;
  }

  private static long step(Batch.Slice slice) {
    double millis = LatencyModel.PUBLISHED.stepMillis(new Batch(List.of(slice)));
    return Math.max(1, Math.round(millis * 1e6));
  }

  @Test
  void everyJobOfAPagedEngineEndsOnceWithAllItsTokens() {
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      EngineCore core =
          new EngineCore(EngineSettings.paged().withPool(32, 16).withBatch(4, 128), round);
      Map<Long, Integer> owed = new HashMap<>();
      Set<Long> cancelled = new HashSet<>();
      List<Emission> out = new ArrayList<>();
      for (long id = 0; id < 60; id++) {
        Job job = new Job(id, prompt(random, 16, 5, 200), 1 + random.nextInt(60));
        core.submit(job);
        owed.put(id, job.maxTokens());
        if (random.nextInt(4) == 0) {
          long victim = random.nextInt((int) id + 1);
          if (core.cancel(victim)) {
            cancelled.add(victim);
          }
        }
        out.addAll(core.advance(core.nowNanos() + random.nextInt(60_000_000)));
        assertThat(core.running()).isLessThanOrEqualTo(4);
        assertThat(core.cacheUsage()).isBetween(0.0, 1.0);
      }
      out.addAll(core.advance(Long.MAX_VALUE / 2));
      assertThat(out).extracting(Emission::atNanos).isSorted();
      Map<Long, Integer> came = new HashMap<>();
      Map<Long, Integer> ended = new HashMap<>();
      for (Emission e : out) {
        came.merge(e.job(), 1, Integer::sum);
        ended.merge(e.job(), e.end() == Emission.End.NOT_YET ? 0 : 1, Integer::sum);
      }
      owed.forEach((id, tokens) -> {
        if (!cancelled.contains(id)) {
          assertThat(came).containsEntry(id, tokens);
          assertThat(ended).containsEntry(id, 1);
        } else {
          assertThat(ended.getOrDefault(id, 0)).isZero();
        }
      });
      assertThat(core.running() + core.waiting()).isZero();
      assertThat(core.cacheUsage()).isZero();
    }
  }

  /// The pool with one object a block.
  private static final class NaivePool {
    private static final class Block {
      final Set<Long> users = new HashSet<>();
      long hash;
      boolean shared;
    }

    private final List<Block> used = new ArrayList<>();
    private final int numBlocks;

    NaivePool(int numBlocks) {
      this.numBlocks = numBlocks;
    }

    boolean reserve(long id, Prompt p, int total) {
      List<Block> hits = new ArrayList<>();
      for (int i = 0; i < p.reusableBlocks(); i++) {
        long h = p.chain().get(i);
        Block hit = used.stream().filter(b -> b.shared && b.hash == h).findFirst().orElse(null);
        if (hit == null) {
          break;
        }
        hits.add(hit);
      }
      long pinned = used.stream().filter(b -> !b.users.isEmpty() || hits.contains(b)).count();
      int own = total - hits.size();
      if (pinned + own > numBlocks) {
        return false;
      }
      hits.forEach(b -> b.users.add(id));
      for (int i = 0; i < own; i++) {
        Block b = new Block();
        b.users.add(id);
        used.addFirst(b);
      }
      while (used.size() > numBlocks) {
        // idle blocks stand behind in the order in which they became idle
        used.remove(used.stream().filter(b -> b.users.isEmpty()).findFirst().orElseThrow());
      }
      return true;
    }

    void share(long id, Prompt p) {
      for (int i = 0; i < p.chain().size(); i++) {
        long h = p.chain().get(i);
        Block known = used.stream().filter(b -> b.shared && b.hash == h).findFirst().orElse(null);
        if (known != null && known.users.contains(id)) {
          continue;
        }
        if (known != null) {
          return;
        }
        Block own =
            used.stream().filter(b -> !b.shared && b.users.contains(id)).findFirst().orElseThrow();
        own.shared = true;
        own.hash = h;
      }
    }

    void release(long id, Prompt p) {
      used.removeIf(b -> !b.shared && b.users.contains(id));
      for (Long h : p.chain().reversed()) {
        for (Block b : List.copyOf(used)) {
          if (b.shared && b.hash == h && b.users.remove(id) && b.users.isEmpty()) {
            used.remove(b);
            used.addLast(b);
          }
        }
      }
    }

    long pinned() {
      return used.stream().filter(b -> !b.users.isEmpty()).count();
    }

    long idle() {
      return used.stream().filter(b -> b.users.isEmpty()).count();
    }
  }

  @Test
  void thePoolAgreesWithOneObjectABlock() {
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      BlockPool pool = new BlockPool(24, 16);
      NaivePool naive = new NaivePool(24);
      List<Sequence> held = new ArrayList<>();
      for (long id = 0; id < 120; id++) {
        if (random.nextBoolean() && !held.isEmpty()) {
          Sequence s = held.remove(random.nextInt(held.size()));
          pool.release(s);
          naive.release(s.id(), s.prompt());
        } else {
          Job job = new Job(id, prompt(random, 16, 4, 150), 1 + random.nextInt(60));
          Sequence s = new Sequence(job);
          int total = Math.ceilDiv((int) job.needTokens(), 16);
          boolean fits = pool.reserve(s);
          assertThat(naive.reserve(id, job.prompt(), total)).as("seed %s", round).isEqualTo(fits);
          if (fits) {
            held.add(s);
            pool.share(s);
            naive.share(id, job.prompt());
          }
        }
        assertThat((long) pool.pinnedBlocks()).as("seed %s", round).isEqualTo(naive.pinned());
        assertThat((long) pool.idleBlocks()).as("seed %s", round).isEqualTo(naive.idle());
      }
    }
  }
}
