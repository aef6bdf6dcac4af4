package org.infinilm.svc.engine;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs generations: one thread owns the llama.cpp context and does what the [Scheduler] decides.
/// [#submit], [#cancel] and the readings are thread-safe.
final class Engine {
  /// What an engine bears.
  ///
  /// @param maxWaiting requests that may wait; more are refused
  /// @param queueTimeout how long one may wait
  /// @param stuckAfter the longest that one step may take
  record Patience(int maxWaiting, Duration queueTimeout, Duration stuckAfter) {
    Patience withWaiting(int most) {
      return new Patience(most, queueTimeout, stuckAfter);
    }
  }

  private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
  private static final long CLOSE_MILLIS = 3000;

  private final Llama llama;
  private final Cache cache;
  private final Scheduler.Limits limits;
  private final TokenTable table;
  private final EngineMetrics metrics;
  private final Ticker ticker;
  private final JobQueue waiting;
  private final Progress progress;
  private final AtomicBoolean sweep = new AtomicBoolean();
  private final List<Job> running = new ArrayList<>();
  private final Decoder decoder;
  private final float[] logits;
  private int promptsInARow;
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean failed;

  /// Batches begun.
  private final AtomicLong steps = new AtomicLong();

  Engine(
      Llama llama,
      Cache cache,
      Scheduler.Limits limits,
      TokenTable table,
      Patience patience,
      EngineMetrics metrics,
      Ticker ticker) {
    this.llama = llama;
    this.cache = cache;
    this.limits = limits;
    this.table = table;
    this.metrics = metrics;
    this.ticker = ticker;
    this.waiting = new JobQueue(patience.maxWaiting(), patience.queueTimeout().toNanos());
    this.progress = new Progress(ticker, patience.stuckAfter().toNanos());
    metrics.stuck(this::stuck);
    this.decoder = new Decoder(llama, metrics);
    this.logits = new float[table.size()];
    this.thread = Thread.ofPlatform().name("engine").daemon().unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Whether its thread still serves.
  boolean healthy() {
    return !failed && !closed;
  }

  /// Whether it has work and has made no progress for longer than a step may take.
  boolean stuck() {
    return healthy() && progress.stuck(waiting.head());
  }

  Scheduler.Limits limits() {
    return limits;
  }

  /// Queues a generation of free form.
  Optional<Job> submit(int[] prompt, int maxTokens, Sampling sampling) {
    return submit(prompt, maxTokens, sampling, null);
  }

  /// Queues a generation; empty when the queue is full or the engine has stopped.
  ///
  /// @param grammar the form of the answer, the job's when it is queued
  Optional<Job> submit(int[] prompt, int maxTokens, Sampling sampling, @Nullable Grammar grammar) {
    Job job = new Job(prompt, maxTokens, sampling, table.ends(), grammar, ticker.nanos());
    if (!healthy() || !waiting.offer(job)) {
      return Optional.empty();
    }
    metrics.waiting(waiting.size());
    if (healthy()) {
      LockSupport.unpark(thread);
    } else if (waiting.remove(job)) {
      return Optional.empty();
    }
    return Optional.of(job);
  }

  /// Ends a job at the next step; it is told so.
  void cancel(Job job) {
    job.markCancelled(steps.get());
    sweep.set(true);
    LockSupport.unpark(thread);
  }

  /// Cuts what runs and waits for the thread.
  void stop() throws InterruptedException {
    closed = true;
    LockSupport.unpark(thread);
    thread.join(CLOSE_MILLIS);
  }

  private void run() {
    try {
      while (!closed) {
        if (!step() && !closed && waiting.size() == 0 && !sweep.get()) {
          LockSupport.park(this);
        }
      }
    } catch (Throwable e) {
      LOG.error("the engine has failed and serves no more", e);
      failed = true;
    } finally {
      closed = true;
      running.forEach(Engine::breakOff);
      running.clear();
      for (Job j = waiting.take(); j != null; j = waiting.take()) {
        breakOff(j);
      }
      publish();
    }
  }

  private static void breakOff(Job j) {
    j.breakOff(j.cancelled() ? Job.Why.CANCELLED : Job.Why.FAILED);
  }

  /// Does the next thing; false when there was nothing to do. On the engine's thread.
  boolean step() {
    progress.made(!running.isEmpty());
    if (sweep.getAndSet(false)) {
      sweep();
    }
    Job head = waiting.head();
    boolean did =
        switch (Scheduler.next(limits, state(head))) {
          case Scheduler.Step.Expire() -> expire();
          case Scheduler.Step.Share(var index, var _) -> share(running.get(index));
          case Scheduler.Step.Admit() -> admit();
          case Scheduler.Step.Compute(var prompts, var answers) -> compute(prompts, answers);
          case Scheduler.Step.Rest() -> rest(head);
        };
    progress.made(!running.isEmpty());
    return did;
  }

  private boolean rest(@Nullable Job head) {
    publish();
    if (head != null && waiting.remove(head)) {
      // An empty engine admits everything that submit lets in; anything else is a wrong count.
      LOG.error("a request of {} tokens found no room in an empty cache", head.promptTokens());
      head.breakOff(Job.Why.FAILED);
      return true;
    }
    return false;
  }

  private Scheduler.State state(@Nullable Job head) {
    List<Scheduler.Running> views = new ArrayList<>(running.size());
    for (int i = 0; i < running.size(); i++) {
      views.add(view(i, running.get(i)));
    }
    Scheduler.Waiting first = null;
    if (head != null) {
      int shared = running.size() < limits.maxRunning() ? cache.shared(head.prompt()) : 0;
      first =
          new Scheduler.Waiting(
              head.promptTokens() + head.maxTokens(),
              shared,
              waiting.expired(head, ticker.nanos()));
    }
    return new Scheduler.State(first, views, cache.usedTokens(), promptsInARow);
  }

  private Scheduler.Running view(int index, Job j) {
    Sequence s = sequence(j);
    boolean computing = limits.pooled() && s.stored() < j.promptTokens();
    return new Scheduler.Running(
        index,
        j.promptTokens(),
        s.stored(),
        limits.reservation(j.promptTokens() + j.maxTokens()),
        computing ? cache.sharable(s, j.prompt()) : 0,
        computing ? cache.awaited(s, j.prompt()) : 0);
  }

  private boolean expire() {
    Job job = waiting.take();
    if (job != null) {
      job.breakOff(job.cancelled() ? Job.Why.CANCELLED : Job.Why.EXPIRED);
    }
    publish();
    return true;
  }

  private boolean share(Job job) {
    int before = sequence(job).stored();
    cache.share(sequence(job), job.prompt());
    int more = sequence(job).stored() - before;
    job.cachedTokens(job.cachedTokens() + more);
    metrics.cached(more);
    return true;
  }

  private boolean admit() {
    Job job = waiting.take();
    if (job == null) {
      return true;
    }
    if (job.cancelled()) {
      job.breakOff(Job.Why.CANCELLED);
      return true;
    }
    Sequence s = cache.take(job.prompt());
    job.sequence = s;
    job.cachedTokens(s.stored());
    job.admitted(ticker.nanos());
    running.add(job);
    metrics.admitted(job);
    publish();
    return true;
  }

  private boolean compute(List<Scheduler.Part> prompts, List<Integer> answers) {
    Batch batch = decoder.batch(limits.batchTokens());
    List<Job> owners = new ArrayList<>(prompts.size() + answers.size());
    for (int a : answers) {
      Job j = running.get(a);
      batch.add(j.lastToken, sequence(j).stored(), sequence(j).id(), true);
      owners.add(j);
    }
    for (Scheduler.Part p : prompts) {
      Job j = running.get(p.index());
      for (int i = p.from(); i < p.to(); i++) {
        batch.add(j.prompt()[i], i, sequence(j).id(), i == j.promptTokens() - 1);
      }
      owners.add(j);
    }
    Map<Integer, Job> bySequence = new HashMap<>();
    owners.forEach(j -> bySequence.put(sequence(j).id(), j));
    steps.incrementAndGet();
    boolean done =
        decoder.run(
            batch,
            (entry, index) -> {
              Job j = Objects.requireNonNull(bySequence.get(batch.sequences[entry]));
              if (batch.positions[entry] >= j.promptTokens()) {
                sequence(j).append(j.lastToken);
              }
              choose(j, index);
            });
    promptsInARow = answers.isEmpty() ? promptsInARow : 0;
    for (int i = 0; i < prompts.size(); i++) {
      Job j = owners.get(answers.size() + i);
      int to = prompts.get(i).to();
      if (done) {
        sequence(j).storedUpTo(to);
        promptsInARow += to == j.promptTokens() ? 1 : 0;
      }
    }
    metrics.step(batch.size, answers.size());
    settle(owners, done);
    return true;
  }

  /// Picks the next token of a job from the logits of the batch just computed. What goes wrong here
  /// is of this request alone.
  private void choose(Job job, int index) {
    try {
      llama.logits(index, logits);
      job.lastToken = job.sampler.next(logits);
      if (job.lastToken >= 0 && !Float.isFinite(logits[job.lastToken])) {
        throw new IllegalStateException("the model's logits are no numbers");
      }
      job.produced++;
    } catch (RuntimeException e) {
      LOG.error("the next token of a request cannot be chosen; the request is ended", e);
      job.failed = true;
    }
  }

  /// Sends what the step gave and ends the jobs that are complete, cancelled or broken.
  private void settle(List<Job> owners, boolean done) {
    if (!done) {
      LOG.error("a step of {} requests failed; they are ended", owners.size());
    }
    for (Job j : owners) {
      if (!done) {
        end(j, new Job.Event.Broken(Job.Why.FAILED));
      } else if (sequence(j).stored() >= j.promptTokens()) {
        deliver(j);
      }
    }
    publish();
  }

  private void deliver(Job j) {
    Job.Event last;
    try {
      last = j.failed ? new Job.Event.Broken(Job.Why.FAILED) : advance(j);
    } catch (RuntimeException e) {
      LOG.error("the text of a request cannot be made; the request is ended", e);
      last = new Job.Event.Broken(Job.Why.FAILED);
    }
    if (last != null) {
      end(j, last);
    }
  }

  /// Takes the token that was chosen into the answer; its last event when it ends here.
  private Job.@Nullable Event advance(Job j) {
    if (j.lastToken == Sampler.NOTHING_FITS) {
      LOG.error("no token of the model fits the form that a request asks for");
      return new Job.Event.Broken(Job.Why.FAILED);
    }
    long now = ticker.nanos();
    metrics.token(j, now);
    j.firstNanos = j.produced == 1 ? now : j.firstNanos;
    j.latestNanos = now;
    boolean ended = !j.sampling().ignoreEnd() && table.isEnd(j.lastToken);
    boolean full = j.produced >= j.maxTokens();
    if (!ended) {
      j.text.add(
          table.piece(j.lastToken), j.sampler.report(), j.produced >= j.sampling().minTokens());
    }
    boolean stop = ended || j.text.stopped();
    if (stop || full) {
      j.text.end();
    }
    AnswerText.Piece more = j.text.take(stop || full);
    if (!more.isEmpty()) {
      j.tell(new Job.Event.Text(more.text(), j.produced, more.tokens()));
    }
    if (!stop && !full) {
      return j.isUnread() ? unread(j) : null;
    }
    String reason = stop ? "stop" : "length";
    metrics.ended(j, reason);
    return new Job.Event.End(reason, j.produced);
  }

  /// The end of an answer whose client takes nothing.
  private Job.Event unread(Job j) {
    LOG.info("a client does not read its stream; the request is ended after {} tokens", j.produced);
    return new Job.Event.Broken(Job.Why.UNREAD);
  }

  private void end(Job j, Job.Event last) {
    running.remove(j);
    Sequence s = sequence(j);
    llama.trim(s.id(), s.stored());
    cache.keep(s);
    publish();
    j.tell(last);
  }

  private void sweep() {
    waiting.sweep();
    for (Job j : List.copyOf(running)) {
      if (j.cancelled()) {
        metrics.aborted(steps.get() - j.cancelledAtStep());
        end(j, new Job.Event.Broken(Job.Why.CANCELLED));
      }
    }
    publish();
  }

  private void publish() {
    metrics.waiting(waiting.size());
    metrics.running(
        running.size(), Math.min(1.0, (double) cache.runningTokens() / limits.cacheTokens()));
    metrics.cells(llama.usedCells(), cache.keptTokens());
  }

  private static Sequence sequence(Job j) {
    Sequence s = j.sequence;
    if (s == null) {
      throw new IllegalStateException("a running job without a sequence");
    }
    return s;
  }
}
