package org.infinilm.svc.router;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Recalled;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One thread that takes the facts of finished exchanges from a bounded queue (full: the facts are
/// lost), learns the [TokenRates] of each model and tells the policy. Event loops only read.
final class Learner implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Learner.class);
  private static final int QUEUE = 8192;
  private static final Duration PAUSE = Duration.ofMillis(20);

  /// Where no policy waits for what is learned.
  private static final Duration LONG_PAUSE = Duration.ofMillis(100);

  static final int MOST_MODELS = 1024;

  /// After so many answers in a row that came as expected, one in [#SAMPLE] is learned from.
  static final int SETTLED = 64;

  private static final int SAMPLE = 16;

  /// After so many facts without a pause it is as if there had been one.
  private static final int EVERY = 256;

  private record Item(Facts facts, @Nullable Prompt prompt, @Nullable Decision decision) {}

  /// Tokens that a tokenizer counted of a text alone.
  record Count(Prompt text, long tokens) {}

  private final BlockingQueue<Item> queue = new ArrayBlockingQueue<>(QUEUE);
  private final Map<String, TokenRates> rates = new ConcurrentHashMap<>();
  private final Map<String, Integer> expected = new ConcurrentHashMap<>();
  private final Policy policy;
  private final Keeping keeping;
  private final Thread thread;
  private final LongAdder lost = new LongAdder();

  /// What else is to be done on this thread; of several that wait the last counts.
  private final AtomicReference<@Nullable Runnable> handed = new AtomicReference<>();

  private long settledFacts;

  /// What else is done with facts, on this thread.
  interface Keeping {
    /// After the policy has been told.
    ///
    /// @param decision that led to it, or null
    void settled(Facts facts, @Nullable Decision decision);

    /// Nothing is to be done at the moment.
    ///
    /// @param facts how many there were so far
    void idle(long facts);
  }

  private static final Keeping NOTHING =
      new Keeping() {
        @Override
        public void settled(Facts facts, @Nullable Decision decision) {}

        @Override
        public void idle(long facts) {}
      };

  Learner(Policy policy) {
    this(policy, NOTHING);
  }

  Learner(Policy policy, Keeping keeping) {
    this.policy = policy;
    this.keeping = keeping;
    this.thread = Thread.ofPlatform().daemon().name("learner").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// @param prompt that the token counts of a complete answer are about, or null when nothing is to
  ///   be learned from it
  /// @param decision that led to it, or null
  void offer(Facts facts, @Nullable Prompt prompt, @Nullable Decision decision) {
    if (!queue.offer(new Item(facts, prompt, decision))) {
      lost.increment();
    }
  }

  /// Has something done between facts, on the thread that learns: what is learned is written there
  /// alone. Of several that wait the last is done.
  void hand(Runnable work) {
    handed.set(work);
  }

  /// Facts that were not learned from, for more came than could be.
  long lost() {
    return lost.sum();
  }

  /// What is known of a model; first guesses until answers have said.
  TokenRates rates(@Nullable String model) {
    return model == null ? TokenRates.FIRST : rates.getOrDefault(model, TokenRates.FIRST);
  }

  /// Takes over what a model's tokenizer counted of texts that are nobody's prompt.
  synchronized void counted(String model, List<Count> counts) {
    TokenRates known = room(model);
    for (Count c : counts) {
      known = known.counted(c.text(), c.tokens());
    }
    rates.put(model, known);
  }

  /// What is known of a model that is learned about: of more than [#MOST_MODELS] one that is
  /// learned anew takes the place of another.
  private TokenRates room(String model) {
    if (rates.size() >= MOST_MODELS && !rates.containsKey(model)) {
      rates.remove(rates.keySet().iterator().next());
    }
    return rates(model);
  }

  /// Whether the answer to a request should be learned from: each until what is known of its model
  /// has settled, then some.
  boolean wants(@Nullable String model) {
    return model != null
        && (expected.getOrDefault(model, 0) < SETTLED
            || ThreadLocalRandom.current().nextInt(SAMPLE) == 0);
  }

  private void run() {
    try {
      while (true) {
        Runnable other = handed.getAndSet(null);
        if (other != null) {
          Endless.step("learning from other routers", other::run);
        }
        Item i = queue.poll();
        if (i == null) {
          Endless.step("keeping what was learned", () -> keeping.idle(settledFacts));
          Thread.sleep(policy.learns() ? PAUSE : LONG_PAUSE);
        } else {
          Endless.step("learning from an answer", () -> settled(i));
        }
      }
    } catch (InterruptedException e) {
      lastOnes();
      Thread.currentThread().interrupt();
    }
  }

  /// What came before it was closed.
  private void lastOnes() {
    for (Item i = queue.poll(); i != null; i = queue.poll()) {
      try {
        settled(i);
      } catch (RuntimeException e) {
        Endless.note("learning from an answer", e);
      }
    }
  }

  private void settled(Item i) {
    Facts f = i.facts();
    Prompt p = i.prompt();
    if (p != null) {
      expect(f.model(), f.usage(), p);
      learn(f.model(), f.usage(), p);
    }
    policy.settled(f);
    keeping.settled(f, i.decision());
    settledFacts++;
    if (settledFacts % EVERY == 0) {
      keeping.idle(settledFacts);
    }
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> out = new HashMap<>();
    rates.forEach((model, r) -> out.put(model, r.remembered()));
    return out;
  }

  /// Reads what a file says.
  ///
  /// @return takes it over; before it is started
  /// @throws IllegalArgumentException when it is not what [#remembered] gave
  Runnable recalled(Map<String, Object> from) {
    Recalled all = Recalled.of(from);
    Map<String, TokenRates> read = new HashMap<>();
    for (String model : all.names()) {
      if (read.size() < MOST_MODELS) {
        read.put(model, TokenRates.recall(all.in(model)));
      }
    }
    return () -> rates.putAll(read);
  }

  /// Takes over what another router knows of models that nothing is known of here. What it says of
  /// one that is not of use is left out.
  synchronized void told(Map<String, Object> from) {
    Recalled all = Recalled.of(from);
    for (String model : all.names()) {
      if (!rates.containsKey(model) && rates.size() < MOST_MODELS) {
        try {
          rates.put(model, TokenRates.recall(all.in(model)));
        } catch (IllegalArgumentException e) {
          LOG.debug("what another router says of {} is left out: {}", model, e.getMessage());
        }
      }
    }
  }

  /// Counts answers that came as expected; one that says nothing to learn from is one of them.
  private void expect(String model, Facts.@Nullable Usage usage, Prompt p) {
    boolean off =
        usage != null
            && usage.promptTokens() > 0
            && isLearnable(p)
            && Math.abs(usage.promptTokens() - rates(model).tokens(p))
                > 8 + usage.promptTokens() / 5;
    if (off) {
      expected.remove(model);
    } else if (expected.size() < MOST_MODELS || expected.containsKey(model)) {
      expected.merge(model, 1, (a, b) -> Math.min(a + b, SETTLED));
    }
  }

  private static boolean isLearnable(Prompt p) {
    return p.whole() && !p.cut() && p.prompts() == 1 && p.tokenIds() == 0 && p.bytes() > 0;
  }

  /// Learns from prompts that were seen whole: images, sound and earlier answers have tokens that
  /// no text accounts for. Only models on offer come here.
  private synchronized void learn(String model, Facts.@Nullable Usage usage, Prompt p) {
    if (model.isEmpty() || usage == null) {
      return;
    }
    TokenRates known = room(model);
    known = usage.completionTokens() > 0 ? known.answered(usage.completionTokens()) : known;
    boolean prompt = usage.promptTokens() > 0 && isLearnable(p);
    rates.put(model, prompt ? known.learned(p, usage.promptTokens()) : known);
  }

  @Override
  public void close() {
    thread.interrupt();
  }

  /// Waits until its thread has ended, after [#close].
  void join(Duration atMost) throws InterruptedException {
    thread.join(atMost);
  }
}
