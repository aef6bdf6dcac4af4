package org.infinilm.svc.engine;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One generation from its queue place to its end. The request's thread makes it, reads [#events]
/// and may cancel; everything else belongs to the engine's thread.
final class Job {
  /// What the engine tells the request's thread, in order; the last is an [End] or [Broken].
  sealed interface Event {
    /// More of the answer, whole characters.
    ///
    /// @param tokens tokens of the answer so far
    /// @param logprobs those of the tokens in `text`, when the request asks for them
    record Text(String text, int tokens, List<TokenLogprob> logprobs) implements Event {
      public Text {
        logprobs = List.copyOf(logprobs);
      }

      /// What it takes in memory, about.
      long bytes() {
        long bytes = EVENT_BYTES + 2L * text.length();
        for (TokenLogprob t : logprobs) {
          bytes += LOGPROB_BYTES * (1L + t.top().size());
        }
        return bytes;
      }
    }

    /// The answer is complete.
    ///
    /// @param reason `stop` or `length`
    record End(String reason, int tokens) implements Event {}

    /// The answer will not be completed.
    record Broken(Why why) implements Event {}
  }

  /// Why an answer is not completed.
  enum Why {
    /// The client went away.
    CANCELLED,
    /// It waited longer than a request may.
    EXPIRED,
    /// The engine failed or ended.
    FAILED,
    /// Its client reads so slowly that too much of the answer is held.
    UNREAD
  }

  private static final int EVENT_BYTES = 100;

  /// Of one log probability, of a token or of one beside it.
  private static final int LOGPROB_BYTES = 40;

  private final int[] prompt;
  private final int maxTokens;
  private final Sampling sampling;
  private final long arrivedNanos;
  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final AtomicLong unreadBytes = new AtomicLong();
  private volatile long mostUnreadBytes = Long.MAX_VALUE;
  private final CountDownLatch decided = new CountDownLatch(1);
  private volatile boolean cancelled;
  private volatile boolean expired;
  private volatile long cancelledAtStep;
  private volatile int cachedTokens;

  /// Engine's thread only: the sequence while running, and the answer so far.
  @Nullable Sequence sequence;

  final AnswerText text;
  final Sampler sampler;
  int produced;
  int lastToken;

  /// Engine's thread only: its token could not be chosen.
  boolean failed;

  /// Engine's thread only: when it got its sequence, its first and its latest token.
  long admittedNanos;

  long firstNanos;
  long latestNanos;

  /// @param prompt not to be changed any more; the answers of a request share it
  /// @param grammar the form of the answer; freed with the last event
  Job(
      int[] prompt,
      int maxTokens,
      Sampling sampling,
      int[] ends,
      @Nullable Grammar grammar,
      long arrivedNanos) {
    this.prompt = prompt;
    this.maxTokens = maxTokens;
    this.sampling = sampling;
    this.arrivedNanos = arrivedNanos;
    this.text = new AnswerText(sampling.stops());
    this.sampler = new Sampler(sampling, ends, prompt, grammar);
  }

  /// The prompt's tokens; not to be changed.
  int[] prompt() {
    return prompt;
  }

  int promptTokens() {
    return prompt.length;
  }

  int maxTokens() {
    return maxTokens;
  }

  Sampling sampling() {
    return sampling;
  }

  long arrivedNanos() {
    return arrivedNanos;
  }

  /// Tokens of the prompt that need not be computed for it; final once the first event is there.
  int cachedTokens() {
    return cachedTokens;
  }

  void cachedTokens(int tokens) {
    cachedTokens = tokens;
  }

  /// It has a sequence now.
  void admitted(long nanos) {
    admittedNanos = nanos;
    decided.countDown();
  }

  /// Waits until it has left the queue; false when it stayed there longer than a request may.
  boolean awaitPlace() throws InterruptedException {
    decided.await();
    return !expired;
  }

  boolean cancelled() {
    return cancelled;
  }

  /// @param step the number of the step in progress or last done
  void markCancelled(long step) {
    cancelledAtStep = step;
    cancelled = true;
  }

  long cancelledAtStep() {
    return cancelledAtStep;
  }

  /// Waits for the next event.
  Event next() throws InterruptedException {
    Event event = events.take();
    read(event);
    return event;
  }

  /// The next event if there is one already.
  @Nullable Event poll() {
    Event event = events.poll();
    read(event);
    return event;
  }

  private void read(@Nullable Event event) {
    if (event instanceof Event.Text text) {
      unreadBytes.addAndGet(-text.bytes());
    }
  }

  /// Lets it end when more than this is told and not read; whoever needs all of it says nothing.
  void boundUnread(long bytes) {
    mostUnreadBytes = bytes;
  }

  /// Whether more is told and not read than may be.
  boolean isUnread() {
    return unreadBytes.get() > mostUnreadBytes;
  }

  void tell(Event event) {
    try {
      if (event instanceof Event.Text text) {
        unreadBytes.addAndGet(text.bytes());
      } else {
        sampler.close();
      }
    } finally {
      events.add(event);
    }
    if (event instanceof Event.Broken(var why)) {
      expired = why == Why.EXPIRED;
      decided.countDown();
    }
  }

  /// Tells it that its answer will not be completed.
  void breakOff(Why why) {
    tell(new Event.Broken(why));
  }
}
