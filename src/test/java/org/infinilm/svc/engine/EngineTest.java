package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The engine's thread on cells without a model.
class EngineTest {
  private static final int VOCABULARY = FakeLlama.LETTERS.size();
  private static final Sampling GREEDY = new Sampling(0, 1, 1, 0, 1, List.of(), false);

  private final List<Engine> engines = new ArrayList<>();

  @AfterEach
  void stop() throws InterruptedException {
    for (Engine e : engines) {
      e.stop();
    }
  }

  private Engine engine(FakeLlama llama, boolean pooled, int maxWaiting) {
    Scheduler.Limits limits = new Scheduler.Limits(pooled, 256, 8, pooled ? 4 : 1, 32, 0);
    Cache cache = pooled ? new PagedCache(llama, 256, 8, 4, 6, 128) : new StaticCache(llama);
    Engine e =
        new Engine(
            llama,
            cache,
            limits,
            new TokenTable(FakeLlama.LETTERS),
            new Engine.Patience(maxWaiting, Duration.ofMinutes(1), Duration.ofMinutes(1)),
            new EngineMetrics("m", true, 8, 32),
            Ticker.SYSTEM);
    engines.add(e);
    return e;
  }

  private static Job submit(Engine e, int[] prompt, int maxTokens) {
    return e.submit(prompt, maxTokens, GREEDY).orElseThrow();
  }

  /// Everything a job is told, up to its last word.
  private static List<Job.Event> all(Job job) throws InterruptedException {
    List<Job.Event> events = new ArrayList<>();
    while (true) {
      Job.Event e = job.next();
      events.add(e);
      if (!(e instanceof Job.Event.Text)) {
        return events;
      }
    }
  }

  private static String text(List<Job.Event> events) {
    StringBuilder text = new StringBuilder();
    for (Job.Event e : events) {
      if (e instanceof Job.Event.Text(var more, var _, var _)) {
        text.append(more);
      }
    }
    return text.toString();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anAnswerEndsAtItsLengthOrAtTheEnd(boolean pooled) throws Exception {
    Engine e = engine(new FakeLlama(256, VOCABULARY), pooled, 10);
    e.start();
    List<Job.Event> five = all(submit(e, new int[] {1, 2, 3}, 5));
    assertThat(text(five)).isEqualTo("efghi");
    assertThat(five.getLast()).isEqualTo(new Job.Event.End("length", 5));
    List<Job.Event> short1 = all(submit(e, new int[] {96}, 50));
    assertThat(text(short1)).isEqualTo("tu");
    assertThat(short1.getLast()).isEqualTo(new Job.Event.End("stop", 3));
  }

  /// Letters follow each other: e, f, g, h, ...
  @ParameterizedTest
  @CsvSource({"0, e, stop", "2, e, stop", "3, efghij, length", "1, e, stop"})
  void aStopTextEndsNoAnswerThatIsTooShort(int minTokens, String answer, String reason)
      throws Exception {
    Engine e = engine(new FakeLlama(256, VOCABULARY), true, 10);
    e.start();
    Sampling s =
        new Sampling(
            0, 1, 1, 0, 1, List.of("f"), true, minTokens, Sampling.Penalties.NONE, -1, null);
    List<Job.Event> told = all(e.submit(new int[] {1, 2, 3}, 6, s).orElseThrow());
    assertThat(text(told)).isEqualTo(answer);
    assertThat(((Job.Event.End) told.getLast()).reason()).isEqualTo(reason);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void everyRequestOfARandomTraceEndsOnceAndNoCellIsLost(boolean pooled) throws Exception {
    FakeLlama llama = new FakeLlama(256, VOCABULARY);
    Engine e = engine(llama, pooled, 1000);
    Random random = new Random(5);
    List<Job> jobs = new ArrayList<>();
    List<Job> cancelled = new ArrayList<>();
    e.start();
    for (int i = 0; i < 400; i++) {
      int start = random.nextInt(3) * 7;
      int[] prompt = IntStream.range(start, start + 1 + random.nextInt(80)).toArray();
      Job job = submit(e, prompt, 1 + random.nextInt(40));
      jobs.add(job);
      if (random.nextInt(5) == 0) {
        Job victim = jobs.get(random.nextInt(jobs.size()));
        cancelled.add(victim);
        e.cancel(victim);
      }
    }
    for (Job job : jobs) {
      List<Job.Event> events = all(job);
      String text = text(events);
      int[] prompt = job.prompt();
      for (int i = 0; i < text.length(); i++) {
        assertThat(text.charAt(i))
            .isEqualTo((char) ('a' + (prompt[prompt.length - 1] + 1 + i) % 26));
      }
      switch (events.getLast()) {
        case Job.Event.End(var reason, var tokens) -> {
          assertThat(tokens).isEqualTo(reason.equals("stop") ? text.length() + 1 : text.length());
          assertThat(reason.equals("stop") || tokens == job.maxTokens()).isTrue();
        }
        case Job.Event.Broken(var why) -> {
          assertThat(why).isEqualTo(Job.Why.CANCELLED);
          assertThat(cancelled).contains(job);
        }
        case Job.Event.Text _ -> throw new AssertionError("text is no end");
      }
    }
    e.stop();
    int kept = llama.usedCells();
    assertThat(kept).isLessThanOrEqualTo(pooled ? 0 : 256);
    for (int sequence = 0; sequence < 10; sequence++) {
      llama.trim(sequence, 0);
    }
    assertThat(llama.usedCells()).isZero();
  }

  @Test
  void aFullQueueRefusesAndAStoppedEngineToo() throws Exception {
    Engine e = engine(new FakeLlama(256, VOCABULARY), true, 2);
    Job first = submit(e, new int[] {1}, 3);
    submit(e, new int[] {1}, 3);
    assertThat(e.submit(new int[] {1}, 3, GREEDY)).isEqualTo(Optional.empty());
    e.cancel(first);
    e.start();
    assertThat(all(first)).containsExactly(new Job.Event.Broken(Job.Why.CANCELLED));
    e.stop();
    assertThat(e.healthy()).isFalse();
    assertThat(e.submit(new int[] {1}, 3, GREEDY)).isEqualTo(Optional.empty());
  }

  @Test
  void aStepThatFailsEndsItsRequestsOnly() throws Exception {
    FakeLlama llama = new FakeLlama(256, VOCABULARY);
    Engine e = engine(llama, true, 10);
    llama.failing = true;
    Job unlucky = submit(e, new int[] {1, 2}, 3);
    e.start();
    assertThat(all(unlucky)).containsExactly(new Job.Event.Broken(Job.Why.FAILED));
    llama.failing = false;
    assertThat(text(all(submit(e, new int[] {1, 2}, 3)))).isEqualTo("def");
    assertThat(e.healthy()).isTrue();
  }
}
