package org.infinilm.svc.engine;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.infinilm.svc.engine.EngineMetrics.Outcome;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Turns the events of a request's jobs, one for each choice, into its answer, on the request's
/// thread. The outcome is counted before the last bytes are sent, so that whoever has the answer
/// finds it counted.
final class Generation {
  private static final Headers EVENT_STREAM =
      new Headers(
          List.of(
              new Header("content-type", "text/event-stream; charset=utf-8"),
              new Header("cache-control", "no-cache")));

  /// What the answers of a stream that is not read may take in memory, about; then it ends.
  static final long MOST_UNREAD_BYTES = 4 << 20;

  private static final int MOST_AT_ONCE_BYTES = 256 << 10;
  private static final int PIECE_BYTES = 64 << 10;

  private final Ask ask;
  private final List<Job> jobs;
  private final Engine engine;
  private final Answers answers;
  private final @Nullable LogprobsJson logprobs;
  private final Supplier<@Nullable ToolCallReader> readers;
  private final EngineMetrics metrics;
  private boolean counted;

  /// @param readers what finds the calls in an answer, one each; null when it may have none
  Generation(
      Ask ask,
      List<Job> jobs,
      Engine engine,
      Answers answers,
      LogprobsJson logprobs,
      Supplier<@Nullable ToolCallReader> readers,
      EngineMetrics metrics) {
    this.ask = ask;
    this.jobs = List.copyOf(jobs);
    this.engine = engine;
    this.answers = answers;
    this.logprobs = ask.sampling().logprobs() < 0 ? null : logprobs;
    this.readers = readers;
    this.metrics = metrics;
  }

  /// Waits for the whole answer.
  Response whole() throws InterruptedException {
    List<Answers.Choice> choices = new ArrayList<>();
    int produced = 0;
    for (Job job : jobs) {
      AnswerParts parts = parts(choices.size());
      Job.Event event = job.next();
      while (event instanceof Job.Event.Text(var more, var _, var logprobs)) {
        parts.add(more, logprobs);
        event = job.next();
      }
      if (event instanceof Job.Event.Broken(var why)) {
        jobs.forEach(engine::cancel);
        count(outcome(why));
        return broken(why).response();
      }
      Job.Event.End end = (Job.Event.End) event;
      produced += end.tokens();
      choices.add(parts.whole(end.reason()));
    }
    count(Outcome.OK);
    return sent(Response.json(200, answers.whole(choices, usage(produced))));
  }

  /// A large answer goes out as its client takes it, so that one that nobody reads ends.
  private static Response sent(Response whole) {
    byte[] body = whole.body();
    return body.length <= MOST_AT_ONCE_BYTES
        ? whole
        : Response.stream(
            whole.status(),
            whole.headers(),
            sink -> {
              for (int from = 0; from < body.length; from += PIECE_BYTES) {
                sink.write(
                    Arrays.copyOfRange(body, from, Math.min(body.length, from + PIECE_BYTES)));
              }
            });
  }

  /// Sends the answer as it is made, once it has left the queue.
  Response stream() throws InterruptedException {
    jobs.forEach(j -> j.boundUnread(MOST_UNREAD_BYTES / jobs.size()));
    if (!jobs.getFirst().awaitPlace()) {
      jobs.forEach(engine::cancel);
      count(Outcome.REJECTED);
      return broken(Job.Why.EXPIRED).response();
    }
    return Response.stream(
        200,
        EVENT_STREAM,
        sink -> {
          try {
            write(sink);
          } catch (IOException | InterruptedException e) {
            jobs.forEach(engine::cancel);
            count(Outcome.CLIENT_GONE);
            throw e;
          }
        });
  }

  /// The first word counts.
  private void count(Outcome outcome) {
    if (!counted) {
      counted = true;
      metrics.finished(outcome);
    }
  }

  /// What one of the jobs says.
  private record Told(int choice, Job.Event event) {}

  /// Hands the words of all jobs on, one at a time, in the order in which they come: what is not
  /// taken stays with its job, which counts it.
  ///
  /// @return the threads that do so, to be interrupted when no more is wanted
  private List<Thread> hand(BlockingQueue<Told> on) {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < jobs.size(); i++) {
      int choice = i;
      Job job = jobs.get(i);
      threads.add(
          Thread.ofVirtual()
              .name("choice-" + i)
              .start(() -> {
                try {
                  Job.Event event;
                  do {
                    event = job.next();
                    on.put(new Told(choice, event));
                  } while (event instanceof Job.Event.Text);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              }));
    }
    return threads;
  }

  private void write(Response.BodySink sink) throws IOException, InterruptedException {
    if (jobs.size() == 1) {
      Job only = jobs.getFirst();
      write(sink, () -> new Told(0, only.next()));
      return;
    }
    BlockingQueue<Told> several = new SynchronousQueue<>(true);
    List<Thread> handing = hand(several);
    try {
      write(sink, several::take);
    } finally {
      handing.forEach(Thread::interrupt);
    }
  }

  /// Waits for the next word.
  @FunctionalInterface
  private interface Words {
    Told next() throws InterruptedException;
  }

  private void write(Response.BodySink sink, Words words) throws IOException, InterruptedException {
    List<AnswerParts> parts = IntStream.range(0, jobs.size()).mapToObj(this::parts).toList();
    BitSet begun = new BitSet();
    int left = jobs.size();
    int produced = 0;
    while (left > 0) {
      Told next = words.next();
      int i = next.choice();
      if (!begun.get(i) && answers.chat() && !(next.event() instanceof Job.Event.Broken)) {
        sink.write(Answers.event(answers.role(i, soFar(0))));
        begun.set(i);
      }
      switch (next.event()) {
        case Job.Event.Text(var more, var tokens, var logprobs) ->
            send(sink, parts.get(i).accept(more, logprobs, soFar(tokens)));
        case Job.Event.End(var reason, var tokens) -> {
          send(sink, parts.get(i).finish(reason, soFar(tokens)));
          produced += tokens;
          left--;
        }
        case Job.Event.Broken(var why) -> {
          jobs.forEach(engine::cancel);
          count(outcome(why));
          cut(sink, broken(why));
          return;
        }
      }
    }
    if (ask.usageChunk()) {
      sink.write(Answers.event(answers.total(usage(produced))));
    }
    end(sink);
  }

  private AnswerParts parts(int choice) {
    return new AnswerParts(choice, answers, logprobs, readers.get());
  }

  private static void send(Response.BodySink sink, List<Map<String, Object>> chunks)
      throws IOException, InterruptedException {
    for (Map<String, Object> chunk : chunks) {
      sink.write(Answers.event(chunk));
    }
  }

  private void end(Response.BodySink sink) throws InterruptedException {
    count(Outcome.OK);
    try {
      sink.write(Answers.DONE);
    } catch (IOException e) {
      sink.abort();
    }
  }

  /// A stream that breaks: an error event, then no last chunk, which every client can see.
  private void cut(Response.BodySink sink, ApiError why) throws InterruptedException {
    try {
      sink.write(Answers.event(why.body()));
    } catch (IOException e) {
      // the client has gone already
    }
    sink.abort();
  }

  private static Outcome outcome(Job.Why why) {
    return switch (why) {
      case CANCELLED -> Outcome.CLIENT_GONE;
      case EXPIRED -> Outcome.REJECTED;
      case FAILED -> Outcome.INTERNAL;
      case UNREAD -> Outcome.CLIENT_ERROR;
    };
  }

  private static ApiError broken(Job.Why why) {
    return switch (why) {
      case EXPIRED ->
          new ApiError(
              429, "queue_timeout", null, "the request waited too long for its turn; try again");
      case UNREAD ->
          new ApiError(
              408,
              "stream_not_read",
              null,
              "the stream was not read: more than "
                  + MOST_UNREAD_BYTES
                  + " bytes of its answers waited (expected: a client that reads)");
      case CANCELLED, FAILED ->
          new ApiError(
              500, "generation_failed", null, "the engine ended before the answer was complete");
    };
  }

  private Map<String, Object> usage(int tokens) {
    return Answers.usage(jobs.getFirst().promptTokens(), jobs.getFirst().cachedTokens(), tokens);
  }

  private @Nullable Map<String, Object> soFar(int tokens) {
    return ask.usageAlways() ? usage(tokens) : null;
  }
}
