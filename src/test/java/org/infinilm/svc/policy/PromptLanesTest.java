package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is learned of an instance that computes a few prompts beside each other, each lane one
/// after the other: replicas behind one address.
class PromptLanesTest {
  private static final Instance PAGED = Samples.paged("p", 0);
  private static final double FIXED = 0.01;
  private static final double TOKEN = 5e-5;
  private static final double STEP = 0.008;

  private static final class Job implements Flight {
    final Engine at;
    final int client;
    final long prompt;
    final double sent;
    double first;
    @Nullable Ahead ahead;
    long otherFirst;
    long otherLast;
    Forecast forecast = Forecast.NONE;
    double stalledBefore;

    Job(Engine at, int client, long prompt, double sent) {
      this.at = at;
      this.client = client;
      this.prompt = prompt;
      this.sent = sent;
    }

    @Override
    public Forecast forecast() {
      return forecast;
    }

    @Override
    public long promptTokens() {
      return prompt;
    }

    @Override
    public long maxTokens() {
      return 0;
    }

    @Override
    public long dispatchNanos() {
      return nanos(sent);
    }

    @Override
    public long firstNanos() {
      if (!at.whole) {
        return nanos(first);
      }
      // as a router takes it to be where nothing is seen
      long foretold = dispatchNanos() + (long) forecast.firstNanos();
      return nanos(at.now) < foretold ? 0 : foretold;
    }

    @Override
    public long tokens() {
      if (!at.whole) {
        return first == 0 ? 0 : 1;
      }
      long from = firstNanos();
      return from == 0
          ? 0
          : 1 + (long) ((double) (nanos(at.now) - from) / Math.max(1e3, forecast.tokenNanos()));
    }

    @Override
    public @Nullable Ahead ahead() {
      return ahead;
    }
  }

  private record Event(double at, Runnable what) {}

  /// Clients each of which sends its next request when it has the answer, to one instance.
  private static final class Engine {
    final Adaptive policy = new Adaptive(Objective.DEFAULT);
    private final PriorityQueue<Event> events =
        new PriorityQueue<>(Comparator.comparingDouble(Event::at));
    private final List<Job> flights = new ArrayList<>();
    private final Deque<Job> waiting = new ArrayDeque<>();

    /// Each lane has a queue of its own, and they are filled in turn.
    private boolean inTurn;

    /// No answer is streamed.
    private boolean whole;

    private final List<Deque<Job>> queues = new ArrayList<>();
    private int turn;
    private final Random random;
    private final int lanes;
    private final double noise;
    private final int answer;
    private final long[] prompts;
    private int busy;

    /// Of those that wait the shortest is next, instead of the oldest.
    private boolean shortestFirst;

    /// So many of the prompts are found in a cache, of which nobody tells.
    private double hits;

    private double now = 1;
    private double stalled;
    private long lastFirst;
    private long lastEnd;

    /// @param answer its tokens
    /// @param prompts of each client, in tokens
    Engine(long seed, int lanes, double noise, int answer, long... prompts) {
      this.random = new Random(seed);
      this.lanes = lanes;
      this.noise = noise;
      this.answer = answer;
      this.prompts = prompts;
      for (int k = 0; k < lanes; k++) {
        queues.add(new ArrayDeque<>());
      }
    }

    Engine run(int requests) {
      for (int c = 0; c < prompts.length && events.size() < prompts.length; c++) {
        int client = c;
        events.add(new Event(now + 0.05 * random.nextDouble(), () -> send(client)));
      }
      for (int left = requests * 3; left > 0; left--) {
        Event e = events.remove();
        now = e.at();
        e.what().run();
      }
      return this;
    }

    private void send(int client) {
      long prompt = (long) ((double) prompts[client] * (0.7 + 0.6 * random.nextDouble()));
      Job j = new Job(this, client, prompt, now);
      j.forecast = sent(prompt).forecast();
      j.ahead = Flight.ahead(flights, !whole, nanos(now));
      flights.add(j);
      if (inTurn) {
        Deque<Job> lane = queues.get(turn++ % lanes);
        lane.add(j);
        if (lane.size() == 1) {
          start(j);
        }
        return;
      }
      waiting.add(j);
      begin();
    }

    private void begin() {
      while (busy < lanes && !waiting.isEmpty()) {
        Job j = waiting.peek();
        for (Job k : waiting) {
          j = shortestFirst && k.prompt < j.prompt ? k : j;
        }
        waiting.remove(j);
        start(j);
      }
    }

    private void start(Job j) {
      busy++;
      double cost = random.nextDouble() < hits ? 0 : TOKEN * (double) j.prompt;
      double takes = (FIXED + cost) * Math.exp(noise * random.nextGaussian());
      events.add(new Event(now + takes, () -> first(j)));
    }

    private void first(Job j) {
      Flight.passed(flights, j, nanos(now), true);
      j.first = now;
      j.otherFirst = lastFirst;
      j.otherLast = lastEnd;
      stalled += j.forecast.prefillNanos();
      j.stalledBefore = stalled;
      lastFirst = nanos(now);
      busy--;
      if (inTurn) {
        Deque<Job> lane = queues.stream().filter(q -> q.peek() == j).findFirst().orElseThrow();
        lane.remove();
        if (!lane.isEmpty()) {
          start(lane.element());
        }
      } else {
        begin();
      }
      double lasts = STEP * (answer - 1) * (0.8 + 0.4 * random.nextDouble());
      events.add(new Event(now + lasts, () -> ended(j)));
    }

    private void ended(Job j) {
      int place = flights.indexOf(j);
      flights.remove(j);
      Flight.ended(flights, place, nanos(now));
      lastEnd = nanos(now);
      policy.settled(
          new Facts(
              PAGED,
              "m",
              4 * j.prompt,
              j.dispatchNanos(),
              whole ? nanos(now) - 1000 : j.firstNanos(),
              nanos(now),
              whole ? 0 : answer,
              1000,
              new Facts.Usage(j.prompt, answer, 0),
              true,
              !whole,
              ask(j.prompt),
              j.forecast,
              whole ? 0 : stalled - j.stalledBefore,
              j.otherFirst,
              j.otherLast,
              j.ahead,
              false));
      events.add(new Event(now + 0.005 * random.nextDouble(), () -> send(j.client)));
    }

    private Choice.Send sent(long prompt) {
      Samples.Desk desk = new Samples.Desk(nanos(now));
      desk.flights.put(PAGED.slot(), List.copyOf(flights));
      return (Choice.Send)
          policy.choose(ask(prompt), Samples.among(PAGED), desk, new SplittableRandom(1));
    }

    /// What the router expects of a prompt there, over what it costs.
    double expected(long prompt) {
      return sent(prompt).forecast().prefillNanos() / 1e9 / (FIXED + TOKEN * (double) prompt);
    }

    Insight insight() {
      return policy.insights(nanos(now)).getFirst();
    }

    String begins() {
      return Pattern.compile("begins=\\{([^}]*)")
          .matcher(policy.remembered(nanos(now)).toString())
          .results()
          .map(m -> m.group(1))
          .collect(Collectors.joining());
    }
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, 0, prompt, 0);
  }

  private static long nanos(double seconds) {
    return (long) (1e9 * seconds);
  }

  private static long[] clients(int chats, long chat, int longs, long longPrompt) {
    long[] out = new long[chats + longs];
    for (int k = 0; k < out.length; k++) {
      out[k] = k < chats ? chat : longPrompt;
    }
    return out;
  }

  @ParameterizedTest
  @CsvSource({
    "2, 5, 1, 16000, 10", "2, 10, 1, 16000, 60", "2, 3, 2, 6000, 30", "3, 6, 2, 16000, 20",
    "4, 8, 2, 16000, 20", "4, 20, 3, 10000, 60", "8, 20, 4, 24000, 40", "8, 40, 2, 16000, 60"
  })
  void longPromptsBesideChatsAreLearnedAsTheyAre(
      int lanes, int chats, int longs, long longPrompt, int answer) {
    for (double noise : new double[] {0.02, 0.15}) {
      for (long seed = 1; seed <= 3; seed++) {
        Engine e = new Engine(seed, lanes, noise, answer, clients(chats, 300, longs, longPrompt));
        e.run(3_000);
        assertThat(e.expected(300)).isBetween(0.8, 1.3);
        assertThat(e.expected(longPrompt)).as("seed %s", seed).isBetween(0.7, 1.6);
        assertThat(e.begins()).matches("p=[2-7]");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"false, 0", "true, 0", "false, 0.3", "true, 0.3", "false, 0.8", "true, 0.8"})
  void oneAfterTheOtherIsTakenForThat(boolean shortestFirst, double hits) {
    for (int longs : new int[] {0, 1, 3}) {
      for (double noise : new double[] {0.02, 0.15, 0.5}) {
        for (long seed = 1; seed <= 3; seed++) {
          Engine e = new Engine(seed, 1, noise, 30, clients(12, 300, longs, 16_000));
          e.shortestFirst = shortestFirst;
          e.hits = hits;
          assertThat(e.run(3_000).begins())
              .as("%s long, noise %s, seed %s", longs, noise, seed)
              .isEmpty();
        }
      }
    }
  }

  /// A balancer that hands them out in turn, so that a prompt may wait while others are idle: what
  /// is learned is its time from sending, with its waits (all are busy all the time here), and
  /// never a small part of it.
  @ParameterizedTest
  @CsvSource({"4, 5, 1, 2.0", "4, 10, 2, 10", "2, 10, 2, 30", "4, 20, 3, 6", "8, 20, 4, 3"})
  void replicasInTurnAreNotTakenForOne(int replicas, int chats, int longs, double most) {
    for (long seed = 1; seed <= 4; seed++) {
      Engine e = new Engine(seed, replicas, 0.05, 30, clients(chats, 300, longs, 16_000));
      e.inTurn = true;
      assertThat(e.run(4_000).expected(16_000)).as("seed %s", seed).isBetween(0.4, most);
      assertThat(e.expected(300)).as("seed %s", seed).isBetween(0.7, most + 2);
    }
  }

  /// Prompts that take less than what is first guessed, and come so often that by that guess
  /// nothing would be left of any answer's time.
  @Test
  void aFastEngineUnderLoadIsLearned() {
    for (long seed = 1; seed <= 5; seed++) {
      Engine e = new Engine(seed, 4, 0.1, 60, clients(60, 300, 0, 0)).run(4_000);
      assertThat(e.insight().mode()).isEqualTo(Forecast.Mode.LEARNED);
      assertThat(e.expected(300)).as("seed %s", seed).isBetween(0.5, 2.0);
    }
  }

  /// Factor and cost are known as a product alone: neither may run away while the other does.
  @Test
  void whatAnInstanceIsBesideItsTypeStaysWhatItIs() {
    for (long seed = 1; seed <= 3; seed++) {
      Engine e = new Engine(seed, 1, 0.3, 30, clients(6, 300, 1, 16_000)).run(20_000);
      e.now += 600;
      assertThat(e.expected(300)).as("seed %s", seed).isBetween(0.5, 1.6);
      assertThat(e.expected(16_000)).as("seed %s", seed).isBetween(0.5, 1.6);
    }
  }

  /// Where no answer is streamed nobody sees when prompts are done, nor that nobody waits where
  /// several are computed at once. What crowded answers show is kept apart from what one takes, by
  /// which a new instance is foretold: the costs do not make up for it.
  @ParameterizedTest
  @CsvSource({"1, 2", "1, 3", "2, 4", "4, 4", "4, 6", "8, 10"})
  void costsOfAnswersThatComeWholeStayWhatTheyAre(int lanes, int clients) {
    for (long seed = 1; seed <= 3; seed++) {
      Engine e = new Engine(seed, lanes, 0.2, 30, clients(clients, 300, 1, 4_000));
      e.whole = true;
      for (int k = 1; k <= 3; k++) {
        e.run(4_000);
        assertThat(e.expected(300)).as("seed %s, run %s", seed, k).isBetween(0.04, 2.5);
        e.now += 300;
        assertThat(e.expected(300)).as("seed %s, idle %s", seed, k).isBetween(0.45, 2.0);
        assertThat(e.expected(4_000)).as("seed %s, idle %s", seed, k).isBetween(0.5, 2.0);
      }
    }
  }

  /// Too short to tell what a token costs, as a classifier's: what they waited is not their
  /// prompt's.
  @Test
  void answersOfOneTokenThatComeWholeTeachNoWaits() {
    for (long seed = 1; seed <= 3; seed++) {
      Engine e = new Engine(seed, 1, 0.2, 1, clients(8, 300, 0, 0));
      e.whole = true;
      assertThat(e.run(6_000).expected(300)).as("seed %s", seed).isBetween(0.1, 2.0);
    }
  }

  /// It does not say how many it computes at once; forty were seen.
  @Test
  void aPlaceIsExpectedWhereSoManyWereSeen() {
    Engine e = new Engine(1, 8, 0.1, 400, clients(40, 300, 0, 0)).run(2_000);
    assertThat(e.flights.size()).isGreaterThan(30);
    Forecast f = e.sent(300).forecast();
    assertThat(f.firstNanos()).isLessThan(0.2e9);
  }
}
