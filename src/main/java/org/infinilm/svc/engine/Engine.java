package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs generations: one thread owns the llama.cpp context and does what the [Scheduler] decides.
/// [#submit], [#cancel] and the readings are thread-safe.
final class Engine {
  private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
  private static final long CLOSE_MILLIS = 3000;

  private final Llama llama;
  private final Cache cache;
  private final Scheduler.Limits limits;
  private final TokenTable table;
  private final EngineMetrics metrics;
  private final Ticker ticker;
  private final LinkedBlockingQueue<Job> waiting;
  private final AtomicBoolean sweep = new AtomicBoolean();
  private final List<Job> running = new ArrayList<>();
  private final Decoder decoder;
  private final float[] logits;
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean failed;

  /// @param maxWaiting requests that may wait; more are refused
  Engine(
      Llama llama,
      Cache cache,
      Scheduler.Limits limits,
      TokenTable table,
      int maxWaiting,
      EngineMetrics metrics,
      Ticker ticker) {
    this.llama = llama;
    this.cache = cache;
    this.limits = limits;
    this.table = table;
    this.metrics = metrics;
    this.ticker = ticker;
    this.waiting = new LinkedBlockingQueue<>(maxWaiting);
    this.decoder = new Decoder(llama);
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
    job.markCancelled();
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
        step();
      }
    } catch (Throwable e) {
      LOG.error("the engine has failed and serves no more", e);
      failed = true;
    } finally {
      closed = true;
      running.forEach(j -> j.tell(new Job.Event.Broken(j.cancelled())));
      running.clear();
      for (Job j = waiting.poll(); j != null; j = waiting.poll()) {
        j.tell(new Job.Event.Broken(j.cancelled()));
      }
      publish();
    }
  }

  private void step() {
    if (sweep.getAndSet(false)) {
      sweep();
    }
    Job head = waiting.peek();
    switch (Scheduler.next(limits, state(head))) {
      case Scheduler.Step.Admit() -> admit();
      case Scheduler.Step.Evict() -> cache.evict();
      case Scheduler.Step.Prefill(var parts) -> prefill(parts);
      case Scheduler.Step.Decode(var indexes) -> decode(indexes);
      case Scheduler.Step.Rest() -> rest(head);
    }
  }

  private void rest(@Nullable Job head) {
    publish();
    if (head != null && waiting.remove(head)) {
      // An empty engine admits everything that submit lets in; anything else is a wrong count.
      LOG.error("a request of {} tokens found no room in an empty cache", head.promptTokens());
      head.tell(new Job.Event.Broken(false));
    } else if (waiting.isEmpty() && !closed && !sweep.get()) {
      LockSupport.park(this);
    }
  }

  private Scheduler.State state(@Nullable Job head) {
    List<Scheduler.Running> views = new ArrayList<>(running.size());
    for (int i = 0; i < running.size(); i++) {
      Job j = running.get(i);
      views.add(
          new Scheduler.Running(
              i,
              j.promptTokens(),
              sequence(j).stored(),
              limits.reservation(j.promptTokens() + j.maxTokens())));
    }
    Scheduler.Waiting first =
        head == null || running.size() == limits.maxRunning()
            ? null
            : new Scheduler.Waiting(
                head.promptTokens() + head.maxTokens(), cache.reusable(head.prompt()));
    return new Scheduler.State(first, views, llama.usedCells(), cache.kept());
  }

  private void admit() {
    Job job = waiting.poll();
    if (job == null) {
      return;
    }
    if (job.cancelled()) {
      job.tell(new Job.Event.Broken(true));
      return;
    }
    Sequence s = cache.take(job.prompt());
    job.sequence = s;
    job.cachedTokens(s.stored());
    running.add(job);
    metrics.admitted(job.promptTokens(), s.stored());
    publish();
  }

  private void prefill(List<Scheduler.Part> parts) {
    Batch batch = decoder.batch(limits.batchTokens());
    List<Job> owners = new ArrayList<>();
    for (Scheduler.Part p : parts) {
      Job j = running.get(p.index());
      for (int i = p.from(); i < p.to(); i++) {
        batch.add(j.prompt()[i], i, sequence(j).id(), i == j.promptTokens() - 1);
      }
      owners.add(j);
    }
    boolean done =
        decoder.run(
            batch,
            (entry, index) -> {
              for (Job j : owners) {
                if (sequence(j).id() == batch.sequences[entry]) {
                  choose(j, index);
                }
              }
            });
    for (int i = 0; i < owners.size(); i++) {
      sequence(owners.get(i)).storedUpTo(done ? parts.get(i).to() : parts.get(i).from());
    }
    settle(owners, done);
  }

  private void decode(List<Integer> indexes) {
    Batch batch = decoder.batch(limits.batchTokens());
    List<Job> owners = indexes.stream().map(running::get).toList();
    for (Job j : owners) {
      batch.add(j.lastToken, sequence(j).stored(), sequence(j).id(), true);
    }
    boolean done =
        decoder.run(
            batch,
            (entry, index) -> {
              Job j = owners.get(entry);
              sequence(j).append(j.lastToken);
              choose(j, index);
            });
    settle(owners, done);
  }

  /// Picks the next token of a job from the logits of the batch just computed.
  private void choose(Job job, int index) {
    llama.logits(index, logits);
    job.lastToken = job.sampler.next(logits);
    job.produced++;
  }

  /// Sends what the step gave and ends the jobs that are complete, cancelled or broken.
  private void settle(List<Job> owners, boolean done) {
    if (!done) {
      LOG.error("a step of {} requests failed; they are ended", owners.size());
    }
    for (Job j : owners) {
      if (!done) {
        end(j, new Job.Event.Broken(false));
      } else if (sequence(j).stored() >= j.promptTokens()) {
        deliver(j);
      }
    }
    publish();
  }

  private void deliver(Job j) {
    if (j.lastToken == Sampler.NOTHING_FITS) {
      LOG.error("no token of the model fits the form that a request asks for");
      end(j, new Job.Event.Broken(false));
      return;
    }
    if (j.produced == 1) {
      metrics.firstToken(ticker.nanos() - j.arrivedNanos());
    }
    metrics.generated(1);
    boolean ended = !j.sampling().ignoreEnd() && table.isEnd(j.lastToken);
    boolean full = j.produced >= j.maxTokens();
    if (!ended) {
      j.text.add(table.piece(j.lastToken), j.sampler.report());
    }
    boolean stop = ended || j.text.stopped();
    if (stop || full) {
      j.text.end();
    }
    AnswerText.Piece more = j.text.take(stop || full);
    if (!more.isEmpty()) {
      j.tell(new Job.Event.Text(more.text(), j.produced, more.tokens()));
    }
    if (stop || full) {
      metrics.ended(ticker.nanos() - j.arrivedNanos());
      end(j, new Job.Event.End(stop ? "stop" : "length", j.produced));
    }
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
    for (Iterator<Job> i = waiting.iterator(); i.hasNext(); ) {
      Job j = i.next();
      if (j.cancelled()) {
        i.remove();
        j.tell(new Job.Event.Broken(true));
      }
    }
    for (Job j : List.copyOf(running)) {
      if (j.cancelled()) {
        end(j, new Job.Event.Broken(true));
      }
    }
    publish();
  }

  private void publish() {
    metrics.waiting(waiting.size());
    int stored = 0;
    for (Job j : running) {
      stored += sequence(j).stored();
    }
    metrics.running(running.size(), Math.min(1.0, (double) stored / limits.cacheTokens()));
  }

  private static Sequence sequence(Job j) {
    Sequence s = j.sequence;
    if (s == null) {
      throw new IllegalStateException("a running job without a sequence");
    }
    return s;
  }
}
