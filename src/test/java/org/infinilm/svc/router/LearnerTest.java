package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Told;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LearnerTest {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Instance INSTANCE =
      new Instance(
          "a", "h", 1, "http://h:1", List.of(), null, -1, 1, Instance.State.ROUTABLE, 0, Map.of());

  private final Listening policy = new Listening();
  private final Learner learner = new Learner(policy);

  /// Notes what it is told, and fails at a model of that name.
  private static final class Listening implements Policy {
    final ConcurrentLinkedQueue<Facts> told = new ConcurrentLinkedQueue<>();

    /// What it was told, and on which thread it wrote what it learned from that.
    final ConcurrentLinkedQueue<List<Told>> others = new ConcurrentLinkedQueue<>();

    final Set<Thread> writers = ConcurrentHashMap.newKeySet();

    @Override
    public String name() {
      return "listening";
    }

    @Override
    public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void told(List<Told> all, long nowNanos) {
      writers.add(Thread.currentThread());
      others.add(all);
    }

    @Override
    public void settled(Facts facts) {
      writers.add(Thread.currentThread());
      told.add(facts);
      if (facts.model().equals("fails")) {
        throw new IllegalStateException("a policy's fault");
      }
      if (facts.model().equals("overflows")) {
        throw new StackOverflowError();
      }
    }
  }

  @AfterEach
  void close() {
    learner.close();
  }

  private void offer(String model, String tail, Prompt prompt) {
    byte[] end = tail.getBytes(UTF_8);
    Usage usage = UsageReader.read(end, end.length);
    learner.offer(
        new Facts(INSTANCE, model, 1000, 1, 2, 3, 0, 10, usage, true, false), prompt, null);
  }

  private void awaitTold(int facts) {
    await().atMost(SOON).until(() -> policy.told.size() == facts);
  }

  private static Prompt prompt(long letters, int prompts, long ids, boolean whole, boolean cut) {
    return new Prompt(prompts, letters, ids, 1, letters, 0, 0, 0, whole, cut);
  }

  private static final Prompt PLAIN = prompt(10_000, 1, 0, true, false);
  private static final String USAGE =
      "{\"usage\":{\"prompt_tokens\":2000,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":1900}}}";

  @Test
  void aPromptThatWasSeenWholeIsLearnedFromAndCachedTokensCount() {
    learner.start();
    assertThat(learner.rates("m").tokens(PLAIN)).isBetween(2500L, 2600L);
    offer("m", USAGE, PLAIN);
    awaitTold(1);
    assertThat(learner.rates("m").tokens(PLAIN)).isBetween(1950L, 2100L);
    assertThat(learner.rates("m").outputTokens()).isEqualTo(50);
    assertThat(learner.rates("other").tokens(PLAIN)).isBetween(2500L, 2600L);
    assertThat(policy.told.peek().usage().promptTokens()).isEqualTo(2000);
  }

  @Test
  void whatWasNotSeenWholeTeachesNothingAboutPrompts() {
    learner.start();
    long before = learner.rates("m").tokens(PLAIN);
    offer("m", USAGE, prompt(10_000, 1, 0, false, false));
    offer("m", USAGE, prompt(10_000, 1, 0, true, true));
    offer("m", USAGE, prompt(10_000, 3, 0, true, false));
    offer("m", USAGE, prompt(0, 1, 2000, true, false));
    offer("m", USAGE, null);
    offer("", USAGE, PLAIN);
    offer("m", "{\"usage\":{\"prompt_tokens\":0}}", PLAIN);
    offer("m", "no usage", PLAIN);
    awaitTold(8);
    assertThat(learner.rates("m").tokens(PLAIN)).isEqualTo(before);
    assertThat(learner.rates(null).tokens(PLAIN)).isEqualTo(before);
  }

  @Test
  void aFaultCostsItsFactsAndNotTheThread() {
    learner.start();
    offer("fails", USAGE, PLAIN);
    offer("fails", USAGE, PLAIN);
    offer("overflows", USAGE, PLAIN);
    offer("m", USAGE, PLAIN);
    awaitTold(4);
    assertThat(learner.rates("m").tokens(PLAIN)).isLessThan(2200);
  }

  @Test
  void modelsAreBoundedAndNewOnesStillLearned() {
    learner.start();
    for (int k = 0; k < 3 * Learner.MOST_MODELS; k++) {
      offer("m" + k, USAGE, PLAIN);
    }
    awaitTold(3 * Learner.MOST_MODELS);
    int known = 0;
    for (int k = 0; k < 3 * Learner.MOST_MODELS; k++) {
      known += learner.rates("m" + k) == TokenRates.FIRST ? 0 : 1;
    }
    assertThat(known).isEqualTo(Learner.MOST_MODELS);
    assertThat(learner.rates("m" + (3 * Learner.MOST_MODELS - 1))).isNotSameAs(TokenRates.FIRST);
  }

  /// Each answer is asked for until a model has settled, then some, and each again after one that
  /// came otherwise.
  @Test
  void aModelThatHasSettledIsSampled() {
    learner.start();
    assertThat(learner.wants(null)).isFalse();
    int facts = 0;
    for (; facts < Learner.SETTLED - 1; facts++) {
      offer("m", USAGE, PLAIN);
    }
    awaitTold(facts);
    assertThat(wanted("m")).isEqualTo(8000);
    for (; facts < 2 * Learner.SETTLED; facts++) {
      offer("m", USAGE, PLAIN);
    }
    awaitTold(facts);
    assertThat(wanted("m")).isBetween(200, 800);
    assertThat(wanted("other")).isEqualTo(8000);
    offer("m", USAGE.replace("2000", "9000"), PLAIN);
    awaitTold(++facts);
    assertThat(wanted("m")).isEqualTo(8000);
  }

  /// Answers without token counts say nothing, however many of them are looked through.
  @Test
  void aModelThatSaysNothingSettlesToo() {
    learner.start();
    for (int k = 0; k < Learner.SETTLED; k++) {
      offer("m", "{}", PLAIN);
    }
    awaitTold(Learner.SETTLED);
    assertThat(wanted("m")).isBetween(200, 800);
  }

  /// What a policy has learned is read, changed and put back: two threads would lose each other's
  /// changes.
  @Test
  void whatOthersLearnedIsWrittenByTheThreadThatLearnsFromAnswers() {
    SharedLearning shared = new SharedLearning(policy, learner, Ticker.SYSTEM);
    Map<String, Object> note = Map.of("version", LearnedState.VERSION, "policy", Map.of("m", 1));
    learner.start();
    offer("m", USAGE, PLAIN);
    awaitTold(1);
    shared.told(Map.of("other", new Siblings.Lesson(note, Ticker.SYSTEM.nanos())));
    await().atMost(SOON).until(() -> !policy.others.isEmpty());
    assertThat(policy.others.peek()).extracting(Told::from).containsExactly("other");
    assertThat(policy.writers).hasSize(1);
  }

  /// Else nobody would know why two versions of routers share nothing.
  @Test
  void whoLearnedInAnotherVersionIsNamedOnceAndNotLearnedFrom() {
    SharedLearning shared = new SharedLearning(policy, learner, Ticker.SYSTEM);
    Map<String, Object> note = Map.of("version", LearnedState.VERSION + 1, "policy", Map.of());
    PrintStream stderr = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, UTF_8));
    try {
      learner.start();
      for (int told = 1; told <= 2; told++) {
        int many = told;
        shared.told(Map.of("other", new Siblings.Lesson(note, Ticker.SYSTEM.nanos())));
        offer("m", USAGE, PLAIN);
        awaitTold(told);
        await().atMost(SOON).until(() -> policy.others.size() == many);
      }
    } finally {
      System.setErr(stderr);
    }
    assertThat(policy.others).allSatisfy(all -> assertThat(all).isEmpty());
    assertThat(said.toString(UTF_8)).containsOnlyOnce("router other tells what it learned");
  }

  private int wanted(String model) {
    int n = 0;
    for (int k = 0; k < 8000; k++) {
      n += learner.wants(model) ? 1 : 0;
    }
    return n;
  }
}
