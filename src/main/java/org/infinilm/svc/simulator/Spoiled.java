package org.infinilm.svc.simulator;

import java.util.Arrays;
import java.util.Map;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Response.BodySink;
import org.jspecify.annotations.Nullable;

/// How each fault looks on the wire.
final class Spoiled {
  private Spoiled() {}

  /// The answer of a fault that strikes before the engine is asked; null when it strikes later.
  static @Nullable Response beforeEngine(Fault fault, Exchange exchange)
      throws InterruptedException {
    return switch (fault.kind()) {
      case HANG_BEFORE_HEAD -> {
        exchange.hang();
        yield Response.empty(503);
      }
      case STATUS -> status(fault, exchange);
      case CLOSE_BEFORE_HEAD -> {
        exchange.settle(Book.Outcome.INTERNAL);
        yield Response.raw(sink -> {});
      }
      case RESET_BEFORE_HEAD -> {
        exchange.settle(Book.Outcome.INTERNAL);
        yield Response.raw(BodySink::reset);
      }
      case HEAD_THEN_HANG ->
          Response.stream(
              200, Headers.of("content-type", "text/event-stream"), sink -> exchange.hang());
      case REFUSE,
          UNHEALTHY,
          RESET,
          TRUNCATE,
          STALL,
          SLOW_DRIP,
          WRONG_CONTENT_TYPE,
          WRONG_CONTENT_LENGTH,
          INFORMATIONAL ->
          null;
    };
  }

  private static Response status(Fault fault, Exchange exchange) {
    exchange.settle(
        fault.code() == 429 || fault.code() == 503
            ? Book.Outcome.REJECTED
            : fault.code() < 500 ? Book.Outcome.CLIENT_ERROR : Book.Outcome.INTERNAL);
    ApiError error =
        new ApiError(fault.code(), "simulated_fault", null, "simulated status " + fault.code());
    Response r = Response.json(error.status(), error.body());
    return fault.retryAfter() == null ? r : r.with("retry-after", fault.retryAfter());
  }

  /// Whether the fault ends a stream here, after `tokens` of it; done then.
  static boolean strikes(@Nullable Fault fault, int tokens, Exchange exchange, BodySink sink)
      throws InterruptedException {
    return fault != null && tokens >= fault.after() && cut(fault, exchange, sink);
  }

  /// The same at the end of a stream that had fewer tokens than the fault waits for: faults that
  /// cut do so before the last events, so that they are never silent.
  static boolean strikesAtEnd(@Nullable Fault fault, Exchange exchange, BodySink sink)
      throws InterruptedException {
    return fault != null && cut(fault, exchange, sink);
  }

  private static boolean cut(Fault fault, Exchange exchange, BodySink sink)
      throws InterruptedException {
    return switch (fault.kind()) {
      case RESET -> {
        exchange.settle(Book.Outcome.INTERNAL);
        sink.reset();
        yield true;
      }
      case TRUNCATE -> {
        exchange.settle(Book.Outcome.INTERNAL);
        sink.abort();
        yield true;
      }
      case STALL -> {
        exchange.hang();
        yield true;
      }
      case REFUSE,
          UNHEALTHY,
          HANG_BEFORE_HEAD,
          STATUS,
          CLOSE_BEFORE_HEAD,
          RESET_BEFORE_HEAD,
          HEAD_THEN_HANG,
          SLOW_DRIP,
          WRONG_CONTENT_TYPE,
          WRONG_CONTENT_LENGTH,
          INFORMATIONAL ->
          false;
    };
  }

  /// A complete document, spoiled; a fault that cuts does so in its middle.
  static Response document(Fault fault, Exchange exchange, Headers headers, byte[] body) {
    byte[] half = Arrays.copyOf(body, body.length / 2);
    Headers framed =
        headers.with("content-length", Integer.toString(body.length)).with("connection", "close");
    return switch (fault.kind()) {
      case RESET, TRUNCATE, STALL ->
          Response.raw(sink -> {
            sink.write(Wire.head(200, framed));
            sink.write(half);
            cut(fault, exchange, sink);
          });
      case WRONG_CONTENT_LENGTH ->
          Response.raw(sink -> {
            Headers longer =
                headers
                    .with("content-length", Integer.toString(body.length + 10))
                    .with("connection", "close");
            sink.write(Wire.head(200, longer));
            sink.write(body);
            exchange.settle(Book.Outcome.INTERNAL);
          });
      case INFORMATIONAL ->
          Response.raw(sink -> {
            sink.write(Wire.informational(fault.code()));
            sink.write(Wire.head(200, framed));
            sink.write(body);
            exchange.settle(Book.Outcome.OK);
          });
      case SLOW_DRIP ->
          Response.raw(sink -> {
            sink.write(Wire.head(200, framed));
            Wire.through(sink).dripping(fault.delay()).send(body);
            exchange.settle(Book.Outcome.OK);
          });
      case REFUSE,
          UNHEALTHY,
          HANG_BEFORE_HEAD,
          STATUS,
          CLOSE_BEFORE_HEAD,
          RESET_BEFORE_HEAD,
          HEAD_THEN_HANG,
          WRONG_CONTENT_TYPE -> {
        exchange.settle(Book.Outcome.OK);
        yield new Response(200, headers, body, null);
      }
    };
  }

  static Response notReady() {
    return Response.json(503, Map.of("error", "model not loaded yet"));
  }
}
