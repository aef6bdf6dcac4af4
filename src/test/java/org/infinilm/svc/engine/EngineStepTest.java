package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The engine driven step by step, on cells without a model and a clock that stands.
class EngineStepTest {
  private static final Sampling GREEDY = new Sampling(0, 1, 1, 0, 1, List.of(), true);
  private static final int BLOCK = 8;
  private static final int CELLS = 256;
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Duration STUCK = Duration.ofSeconds(60);

  /// A clock that stands until it is moved.
  private static final class Clock implements Ticker {
    private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5_000_000_000L);

    void advance(Duration d) {
      nanos.addAndGet(d.toNanos());
    }

    @Override
    public long nanos() {
      return nanos.get();
    }

    @Override
    public Instant now() {
      return Instant.EPOCH;
    }
  }

  private final Clock clock = new Clock();
  private final FakeLlama llama = new FakeLlama(CELLS, FakeLlama.LETTERS.size());
  private final EngineMetrics metrics = new EngineMetrics("m", true, BLOCK, CELLS / BLOCK);

  private Engine engine(boolean pooled, int sequences, int chunk) {
    return new Engine(
        llama,
        pooled ? new PagedCache(llama, CELLS, BLOCK, sequences, 6, 128) : new StaticCache(llama),
        new Scheduler.Limits(pooled, CELLS, BLOCK, pooled ? sequences : 1, 32, chunk),
        new TokenTable(FakeLlama.LETTERS),
        new Engine.Patience(100, PATIENCE, STUCK),
        metrics,
        clock);
  }

  private static int[] prompt(int from, int count) {
    return IntStream.range(from, from + count).map(i -> i % 90).toArray();
  }

  private static Job submit(Engine e, int[] prompt, int answer) {
    return e.submit(prompt, answer, GREEDY).orElseThrow();
  }

  /// Steps until there is nothing to do.
  private static void finish(Engine e) {
    int left = 10_000;
    while (e.step() && left > 0) {
      left--;
    }
    assertThat(left).as("steps left").isPositive();
  }

  /// The last word a job was told.
  private static Job.Event last(Job job) throws InterruptedException {
    Job.Event event = job.next();
    while (event instanceof Job.Event.Text) {
      event = job.next();
    }
    return event;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 16})
  void equalPromptsThatArriveTogetherAreComputedOnce(int chunk) throws Exception {
    Engine e = engine(true, 8, chunk);
    List<Job> jobs = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      jobs.add(submit(e, prompt(3, 81), 1));
    }
    finish(e);
    for (Job j : jobs) {
      assertThat(last(j)).isEqualTo(new Job.Event.End("length", 1));
    }
    assertThat(jobs).extracting(Job::cachedTokens).containsExactly(0, 80, 80, 80, 80, 80, 80, 80);
    assertThat(llama.computedTokens).isEqualTo(81 + 7);
  }

  /// A bias on a token that the model does not have makes the sampler fail.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whatGoesWrongWithOneRequestEndsThatRequestAlone(boolean pooled) throws Exception {
    Engine e = engine(pooled, 4, 0);
    Sampling broken =
        new Sampling(
            0,
            1,
            1,
            0,
            1,
            List.of(),
            true,
            0,
            new Sampling.Penalties(0, 0, 1, Map.of(100_000, 1.0)),
            -1,
            null);
    Job good = submit(e, prompt(0, 10), 5);
    Job bad = e.submit(prompt(20, 10), 5, broken).orElseThrow();
    Job later = submit(e, prompt(40, 10), 5);
    finish(e);
    assertThat(last(good)).isEqualTo(new Job.Event.End("length", 5));
    assertThat(last(bad)).isEqualTo(new Job.Event.Broken(Job.Why.FAILED));
    assertThat(last(later)).isEqualTo(new Job.Event.End("length", 5));
    assertThat(e.healthy()).isTrue();
  }

  private static Sampling sampling(double temperature, int logprobs) {
    return new Sampling(
        temperature, 5, 1, 0, 1, List.of(), true, 0, Sampling.Penalties.NONE, logprobs, null);
  }

  /// Of all logits one may be no number, the first or another.
  @ParameterizedTest
  @ValueSource(ints = {0, 60})
  void aTokenWithoutANumberIsNeverChosenAndNothingIsSaidOfOthersBesideIt(int token)
      throws Exception {
    Engine e = engine(true, 4, 0);
    llama.nan = token;
    Job drawn = e.submit(prompt(20, 10), 5, sampling(1, -1)).orElseThrow();
    Job reported = e.submit(prompt(40, 10), 5, sampling(0, 2)).orElseThrow();
    finish(e);
    assertThat(last(drawn)).isEqualTo(new Job.Event.Broken(Job.Why.FAILED));
    assertThat(last(reported)).isEqualTo(new Job.Event.Broken(Job.Why.FAILED));
    llama.nan = -1;
    Job after = e.submit(prompt(20, 10), 5, sampling(1, 2)).orElseThrow();
    finish(e);
    assertThat(last(after)).isEqualTo(new Job.Event.End("length", 5));
  }

  @Test
  void anAnswerOfWhichTooMuchIsNotReadEndsAndFreesItsPlace() throws Exception {
    Engine e = engine(true, 4, 0);
    Job unread = submit(e, prompt(0, 10), 200);
    unread.boundUnread(1000);
    Job read = submit(e, prompt(50, 10), 30);
    read.boundUnread(1000);
    Job whole = submit(e, prompt(70, 10), 20);
    int left = 1000;
    while (e.step() && left-- > 0) {
      while (read.poll() instanceof Job.Event.Text) {
        assertThat(read.isUnread()).isFalse();
      }
    }
    assertThat(unread.produced).as("about 100 bytes each").isBetween(5, 12);
    assertThat(last(unread)).isEqualTo(new Job.Event.Broken(Job.Why.UNREAD));
    assertThat(read.produced).isEqualTo(30);
    assertThat(last(whole)).isEqualTo(new Job.Event.End("length", 20));
    assertThat(scraped()).contains("vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 0.0");
  }

  @Test
  void whoWaitedForAPrefixThatIsCancelledComputesItInstead() throws Exception {
    Engine e = engine(true, 4, 0);
    Job first = submit(e, prompt(0, 100), 2);
    Job second = submit(e, prompt(0, 90), 2);
    Job third = submit(e, prompt(0, 60), 2);
    for (int i = 0; i < 4; i++) {
      assertThat(e.step()).isTrue();
    }
    assertThat(llama.computedTokens).as("a part of the first prompt").isEqualTo(32);
    e.cancel(first);
    finish(e);
    assertThat(last(first)).isEqualTo(new Job.Event.Broken(Job.Why.CANCELLED));
    assertThat(last(second)).isEqualTo(new Job.Event.End("length", 2));
    assertThat(last(third)).isEqualTo(new Job.Event.End("length", 2));
    assertThat(second.cachedTokens()).as("kept of the first").isEqualTo(32);
    assertThat(third.cachedTokens()).isEqualTo(56);
  }

  @Test
  void whatIsSharedInTheFutureLetsMoreRequestsIn() throws Exception {
    Engine e = engine(true, 4, 0);
    List<Job> jobs = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      jobs.add(submit(e, prompt(0, 185), 7));
    }
    for (int i = 0; i < 4; i++) {
      e.step();
    }
    assertThat(llama.steps).as("four times 192 tokens in a cache of 256, all admitted").isZero();
    finish(e);
    for (Job j : jobs) {
      assertThat(last(j)).isEqualTo(new Job.Event.End("length", 7));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aRequestThatWaitsTooLongIsToldSo(boolean pooled) throws Exception {
    Engine e = engine(pooled, 1, 0);
    Job runs = submit(e, prompt(0, 10), 50);
    Job waits = submit(e, prompt(50, 10), 5);
    e.step();
    e.step();
    clock.advance(PATIENCE);
    e.step();
    assertThat(runs.awaitPlace()).isTrue();
    clock.advance(Duration.ofNanos(1));
    Job late = submit(e, prompt(20, 10), 5);
    e.step();
    assertThat(waits.awaitPlace()).isFalse();
    assertThat(last(waits)).isEqualTo(new Job.Event.Broken(Job.Why.EXPIRED));
    finish(e);
    assertThat(last(runs)).isEqualTo(new Job.Event.End("length", 50));
    assertThat(last(late)).isEqualTo(new Job.Event.End("length", 5));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 8})
  void aLargeRequestIsNotOvertakenByAStreamOfSmallOnes(int chunk) throws Exception {
    Engine e = engine(true, 4, chunk);
    for (int i = 0; i < 4; i++) {
      submit(e, prompt(i * 5, 20), 40);
    }
    e.step();
    e.step();
    Job large = submit(e, prompt(60, 200), 50);
    int steps = 0;
    List<Job> later = new ArrayList<>();
    while (large.produced == 0 && steps < 1000) {
      if (later.size() < 90) {
        later.add(submit(e, prompt(steps % 50, 10), 40));
      }
      e.step();
      steps++;
    }
    assertThat(large.produced).isPositive();
    assertThat(later).as("admitted after it").allMatch(j -> j.produced == 0);
    finish(e);
    assertThat(last(large)).isEqualTo(new Job.Event.End("length", 50));
    for (Job j : later) {
      assertThat(last(j)).isEqualTo(new Job.Event.End("length", 40));
    }
  }

  @Test
  void anAnswerGoesOnBesideAStreamOfPrompts() {
    Engine e = engine(true, 2, 0);
    Job answer = submit(e, prompt(0, 10), 100);
    e.step();
    e.step();
    int[] produced = new int[3];
    for (int round = 0; round < produced.length; round++) {
      for (int i = 0; i < 12; i++) {
        submit(e, prompt(i * 7 + round, 9), 1);
        e.step();
        e.step();
      }
      produced[round] = answer.produced;
    }
    assertThat(produced[0]).isGreaterThan(1);
    assertThat(produced[1]).isGreaterThan(produced[0]);
    assertThat(produced[2]).isGreaterThan(produced[1]);
  }

  @Test
  void aThreadThatHangsIsSeenAndSoIsItsRecovery() throws Exception {
    Engine e = engine(true, 2, 0);
    EngineRoutes routes =
        new EngineRoutes(
            "m", new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L), metrics, clock);
    routes.serve(new Loaded(FakeLlama.LETTERS, new TokenTable(FakeLlama.LETTERS), e, 10));
    clock.advance(STUCK.multipliedBy(5));
    assertThat(e.stuck()).as("idle for long").isFalse();
    assertThat(status(routes)).isEqualTo(200);
    CountDownLatch gate = new CountDownLatch(1);
    llama.gate = gate;
    Job job = submit(e, prompt(0, 10), 3);
    assertThat(e.stuck()).as("just arrived").isFalse();
    e.start();
    assertThat(llama.entered.await(30, TimeUnit.SECONDS)).isTrue();
    clock.advance(STUCK);
    assertThat(e.stuck()).as("a long step").isFalse();
    assertThat(scraped()).contains("infini_engine_stuck{engine=\"0\",model_name=\"m\"} 0.0");
    clock.advance(Duration.ofNanos(1));
    assertThat(e.stuck()).isTrue();
    assertThat(status(routes)).isEqualTo(503);
    assertThat(scraped()).contains("infini_engine_stuck{engine=\"0\",model_name=\"m\"} 1.0");
    gate.countDown();
    assertThat(last(job)).isEqualTo(new Job.Event.End("length", 3));
    await().until(() -> status(routes) == 200);
    e.stop();
  }

  @Test
  void aQueueThatNobodyServesIsStuckToo() {
    Engine e = engine(true, 2, 0);
    clock.advance(STUCK.multipliedBy(5));
    submit(e, prompt(0, 10), 3);
    clock.advance(STUCK);
    assertThat(e.stuck()).isFalse();
    clock.advance(Duration.ofNanos(1));
    assertThat(e.stuck()).isTrue();
  }

  private String scraped() {
    return new String(metrics.scrape(), StandardCharsets.UTF_8);
  }

  private static int status(EngineRoutes routes) throws InterruptedException {
    Request.Gone gone =
        new Request.Gone() {
          @Override
          public void onGone(Runnable callback) {}

          @Override
          public boolean isGone() {
            return false;
          }
        };
    Response response =
        routes.handle(
            new Request("GET", "/health", null, Headers.NONE, new byte[0], "127.0.0.1", gone));
    return response.status();
  }
}
