package org.infinilm.svc.engine;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.engine.EngineMetrics.Outcome;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// Turns the events of one job into its answer, on the request's thread. The outcome is counted
/// before the last bytes are sent, so that whoever has the answer finds it counted.
final class Generation {
  private static final Headers EVENT_STREAM =
      new Headers(
          List.of(
              new Header("content-type", "text/event-stream; charset=utf-8"),
              new Header("cache-control", "no-cache")));

  private final Ask ask;
  private final Job job;
  private final Engine engine;
  private final Answers answers;
  private final LogprobsJson logprobs;
  private final EngineMetrics metrics;
  private boolean counted;

  Generation(
      Ask ask,
      Job job,
      Engine engine,
      Answers answers,
      LogprobsJson logprobs,
      EngineMetrics metrics) {
    this.ask = ask;
    this.job = job;
    this.engine = engine;
    this.answers = answers;
    this.logprobs = logprobs;
    this.metrics = metrics;
  }

  /// Waits for the whole answer.
  Response whole() throws InterruptedException {
    StringBuilder text = new StringBuilder();
    List<TokenLogprob> tokens = new ArrayList<>();
    while (true) {
      switch (job.next()) {
        case Job.Event.Text(var more, var _, var logprobs) -> {
          text.append(more);
          tokens.addAll(logprobs);
        }
        case Job.Event.End(var reason, var count) -> {
          count(Outcome.OK);
          return Response.json(
              200, answers.whole(text.toString(), logprobs(tokens), reason, usage(count)));
        }
        case Job.Event.Broken(var why) -> {
          count(outcome(why));
          return broken(why).response();
        }
      }
    }
  }

  /// Sends the answer as it is made, once it has left the queue.
  Response stream() throws InterruptedException {
    if (!job.awaitPlace()) {
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
            engine.cancel(job);
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

  private void write(Response.BodySink sink) throws IOException, InterruptedException {
    boolean begun = false;
    while (true) {
      Job.Event event = job.next();
      if (!begun && answers.chat() && !(event instanceof Job.Event.Broken)) {
        sink.write(Answers.event(answers.role(soFar(0))));
        begun = true;
      }
      switch (event) {
        case Job.Event.Text(var more, var tokens, var logprobs) ->
            sink.write(Answers.event(answers.piece(more, logprobs(logprobs), soFar(tokens))));
        case Job.Event.End(var reason, var tokens) -> {
          sink.write(Answers.event(answers.finish(reason, soFar(tokens))));
          if (ask.usageChunk()) {
            sink.write(Answers.event(answers.total(usage(tokens))));
          }
          end(sink);
          return;
        }
        case Job.Event.Broken(var why) -> {
          count(outcome(why));
          cut(sink, broken(why));
          return;
        }
      }
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
    };
  }

  private static ApiError broken(Job.Why why) {
    return switch (why) {
      case EXPIRED ->
          new ApiError(
              429, "queue_timeout", null, "the request waited too long for its turn; try again");
      case CANCELLED, FAILED ->
          new ApiError(
              500, "generation_failed", null, "the engine ended before the answer was complete");
    };
  }

  private @Nullable Object logprobs(List<TokenLogprob> tokens) {
    return ask.sampling().logprobs() < 0 ? null : logprobs.of(tokens);
  }

  private Map<String, Object> usage(int tokens) {
    return Answers.usage(job.promptTokens(), job.cachedTokens(), tokens);
  }

  private @Nullable Map<String, Object> soFar(int tokens) {
    return ask.usageAlways() ? usage(tokens) : null;
  }
}
