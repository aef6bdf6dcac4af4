package org.infinilm.svc.simulator;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// The answer to one generation request: waits for the engine's tokens, writes them as one document
/// or as a stream, and lets a fault spoil it.
final class Generation {
  private static final String JSON = "application/json";
  private static final String SSE = "text/event-stream";

  private final Ask ask;
  private final Reply reply;
  private final Words words;
  private final int promptTokens;
  private final Pump.Ticket ticket;
  private final Exchange exchange;
  private final @Nullable Fault fault;

  private int tokens;
  private int cachedTokens;
  private String finish = "";

  Generation(
      Ask ask,
      Reply reply,
      Words words,
      int promptTokens,
      Pump.Ticket ticket,
      Exchange exchange,
      @Nullable Fault fault) {
    this.ask = ask;
    this.reply = reply;
    this.words = words;
    this.promptTokens = promptTokens;
    this.ticket = ticket;
    this.exchange = exchange;
    this.fault = fault;
  }

  Response answer() throws InterruptedException {
    return ask.stream() ? streamed() : whole();
  }

  private boolean has(Fault.Kind kind) {
    return fault != null && fault.kind() == kind;
  }

  // --- one document ---

  private Response whole() throws InterruptedException {
    StringBuilder text = new StringBuilder();
    while (finish.isEmpty()) {
      text.append(take(ticket.next()));
    }
    byte[] body = reply.whole(text.toString(), finish, usage());
    if (fault == null) {
      exchange.settle(Book.Outcome.OK);
      return new Response(200, type(JSON), body, null);
    }
    return Spoiled.document(fault, exchange, type(JSON), body);
  }

  private Headers type(String right) {
    return Headers.of(
        "content-type", has(Fault.Kind.WRONG_CONTENT_TYPE) ? "text/plain; charset=utf-8" : right);
  }

  /// Takes one emission in; returns the text it brought.
  private String take(Emission e) throws InterruptedException {
    cachedTokens = e.cachedTokens();
    switch (e.end()) {
      case NOT_YET -> {}
      case COMPLETE -> finish = ask.maxTokens().isPresent() ? "length" : "stop";
      case CACHE_FULL -> finish = "length";
      case CANCELLED -> throw new InterruptedException("cancelled");
    }
    return e.token() ? words.piece(tokens++) : "";
  }

  private Reply.Usage usage() {
    return new Reply.Usage(promptTokens, tokens, cachedTokens);
  }

  // --- a stream ---

  private Response streamed() throws InterruptedException {
    Emission first = ticket.next();
    if (first.end() == Emission.End.CANCELLED) {
      throw new InterruptedException("cancelled");
    }
    boolean raw = has(Fault.Kind.INFORMATIONAL) || has(Fault.Kind.WRONG_CONTENT_LENGTH);
    if (!raw) {
      return Response.stream(
          200,
          type(SSE).with("cache-control", "no-cache"),
          sink -> stream(first, sink, Wire.through(sink)));
    }
    return Response.raw(sink -> {
      boolean early = has(Fault.Kind.INFORMATIONAL);
      Header framing =
          early
              ? new Header("transfer-encoding", "chunked")
              : new Header("content-length", Integer.toString(1 << 24));
      if (early && fault != null) {
        sink.write(Wire.informational(fault.code()));
      }
      sink.write(
          Wire.head(
              200,
              new Headers(
                  List.of(
                      new Header("content-type", SSE),
                      framing,
                      new Header("connection", "close")))));
      stream(first, sink, early ? Wire.chunked(sink) : Wire.through(sink));
    });
  }

  private void stream(Emission first, Response.BodySink sink, Wire plain)
      throws IOException, InterruptedException {
    Wire wire = has(Fault.Kind.SLOW_DRIP) && fault != null ? plain.dripping(fault.delay()) : plain;
    try {
      wire.send(reply.opening());
      Emission e = first;
      while (true) {
        if (Spoiled.strikes(fault, tokens, exchange, sink)) {
          return;
        }
        String text = take(e);
        if (!text.isEmpty()) {
          wire.send(reply.piece(text, ask.continuousUsage() ? usage() : null));
        }
        if (!finish.isEmpty()) {
          break;
        }
        e = ticket.next();
      }
      if (Spoiled.strikesAtEnd(fault, exchange, sink)) {
        return;
      }
      wire.send(end());
      exchange.settle(Book.Outcome.OK);
      wire.finish();
    } catch (IOException gone) {
      exchange.settle(Book.Outcome.CLIENT_GONE);
      throw gone;
    } finally {
      exchange.settle(Book.Outcome.INTERNAL);
    }
  }

  /// The last events in one piece.
  private byte[] end() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(reply.closing(finish));
    if (ask.includeUsage()) {
      out.writeBytes(reply.usage(usage()));
    }
    out.writeBytes(Reply.DONE);
    return out.toByteArray();
  }

  /// A small vector for `/v1/embeddings`, from the prompt's hash.
  static Map<String, Object> embedding(Prompt prompt, String model, long seed, int size) {
    List<Double> vector =
        IntStream.range(0, size)
            .mapToObj(i -> Math.rint((2 * Seeds.unitAt(seed, i) - 1) * 1e6) / 1e6)
            .toList();
    return Map.of(
        "data",
        List.of(Map.of("embedding", vector, "index", 0, "object", "embedding")),
        "model",
        model,
        "object",
        "list",
        "usage",
        Map.of("prompt_tokens", prompt.tokens(), "total_tokens", prompt.tokens()));
  }
}
