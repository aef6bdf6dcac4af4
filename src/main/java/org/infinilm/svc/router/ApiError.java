package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// What a client is told when there is no answer of an instance to give it.
///
/// @param code one word that programs can test
/// @param type of OpenAI's closed set
/// @param retryAfter value of Retry-After, or null
/// @param again whether the same request may succeed later (`x-should-retry`)
record ApiError(
    int status,
    Outcome outcome,
    String code,
    String type,
    String message,
    @Nullable String retryAfter,
    boolean again) {
  static final String NO_HEALTHY_INSTANCE = "no_healthy_instance";

  /// There is no place for it now.
  static final String OVERLOADED = "overloaded";

  private static final String SOON = "1";

  /// The one that could take the request sleeps, and does not serve in time.
  static final String INSTANCE_STARTING = "instance_starting";

  /// The one that could take it sleeps, could not be started, and is not started again for a while.
  static final String INSTANCE_START_FAILED = "instance_start_failed";

  private static final String SERVER = "server_error";

  /// Whether it says what is the matter with one that sleeps.
  boolean isOfASleeper() {
    return code.equals(INSTANCE_STARTING) || code.equals(INSTANCE_START_FAILED);
  }

  static ApiError invalid(String code, String message) {
    return new ApiError(
        400, Outcome.CLIENT_ERROR, code, "invalid_request_error", message, null, false);
  }

  /// Nobody can take it now.
  static ApiError unavailable(String code, String message) {
    return unavailable(code, message, SOON);
  }

  /// @param retryAfter seconds
  static ApiError unavailable(String code, String message, String retryAfter) {
    return new ApiError(503, Outcome.REJECTED, code, SERVER, message, retryAfter, true);
  }

  /// Nobody offers what was asked for.
  static ApiError unknownModel(int status, String message) {
    return status == 404
        ? new ApiError(
            404,
            Outcome.CLIENT_ERROR,
            "model_not_found",
            "invalid_request_error",
            message,
            null,
            false)
        : new ApiError(
            status, Outcome.REJECTED, "model_not_available", SERVER, message, null, false);
  }

  /// Nobody that is known here asks.
  static ApiError unauthorized(String code, String message) {
    return new ApiError(
        401, Outcome.CLIENT_ERROR, code, "invalid_request_error", message, null, false);
  }

  /// A key asks for what it may not.
  static ApiError forbidden(String code, String message) {
    return new ApiError(
        403, Outcome.CLIENT_ERROR, code, "invalid_request_error", message, null, false);
  }

  /// A key has used up what it may.
  ///
  /// @param retryAfter seconds
  static ApiError rateLimited(String message, String retryAfter) {
    return new ApiError(
        429,
        Outcome.CLIENT_ERROR,
        "rate_limit_exceeded",
        "rate_limit_error",
        message,
        retryAfter,
        true);
  }

  /// A fault of ours.
  static ApiError internal() {
    return new ApiError(
        500, Outcome.INTERNAL, "internal_error", SERVER, "Internal server error", null, true);
  }

  /// The router ends before the request could be answered.
  static ApiError shuttingDown() {
    return unavailable("shutting_down", "the router ends; ask again");
  }

  /// There is no memory for what the request takes.
  static ApiError noMemory() {
    return unavailable(OVERLOADED, "the router is out of memory for requests; try again");
  }

  /// The request has come through this router before.
  static ApiError loop() {
    return new ApiError(
        508,
        Outcome.REJECTED,
        "loop_detected",
        SERVER,
        "this router is an instance of itself, by its Via field (expected: instances that serve models)",
        null,
        false);
  }

  /// What a client is told when the last attempt failed so; the one place that maps failures.
  static ApiError of(Failure f, String instance) {
    String who = " (instance " + instance + ")";
    return switch (f.kind()) {
      case CONNECT_REFUSED ->
          new ApiError(
              503,
              Outcome.UPSTREAM_GONE,
              "instance_unreachable",
              SERVER,
              "Service unavailable - connection refused" + who,
              SOON,
              true);
      case TLS_FAILED ->
          new ApiError(
              503,
              Outcome.UPSTREAM_GONE,
              "instance_unreachable",
              SERVER,
              "Service unavailable - TLS: " + f.detail() + who,
              SOON,
              true);
      case LOCAL -> unavailable(OVERLOADED, "the router is out of resources: " + f.detail());
      case PROXY_FULL ->
          unavailable(OVERLOADED, "the proxy has no room for the request: " + f.detail());
      case PROXY_ANSWERED -> proxyAnswered(502, f.detail());
      case CONNECT_TIMEOUT, TIMEOUT_FIRST_BYTE, TIMEOUT_STALLED ->
          new ApiError(
              504, Outcome.TIMEOUT, "timeout", SERVER, "Service timeout" + who, null, true);
      case CLOSED_STALE, CLOSED_BEFORE_ANSWER, BAD_ANSWER ->
          new ApiError(
              502,
              Outcome.UPSTREAM_GONE,
              "bad_gateway",
              SERVER,
              "Bad gateway - error communicating with service"
                  + (f.kind() == Failure.Kind.BAD_ANSWER ? ": " + f.detail() : "")
                  + who,
              null,
              true);
      case CLOSED_MID_ANSWER ->
          new ApiError(
              502,
              Outcome.UPSTREAM_GONE,
              "stream_interrupted",
              SERVER,
              "Failed to read response from service" + who,
              null,
              true);
    };
  }

  /// The proxy that carries the request answers itself: what the client gets is its answer.
  static ApiError proxyAnswered(int status, String why) {
    return new ApiError(
        status,
        status < 400 ? Outcome.ofStatus(status) : Outcome.REJECTED,
        "proxy_answered",
        SERVER,
        "the proxy answered itself: " + why,
        null,
        false);
  }

  /// An instance's own refusal that was put aside to ask another instance, which failed too.
  ///
  /// @param retryAfter the instance's, or null
  static ApiError ofAnswer(int status, @Nullable String retryAfter, String instance) {
    return new ApiError(
        status,
        Outcome.UPSTREAM_ERROR,
        status == 429 ? "rate_limited" : "instance_error",
        status == 429 ? "rate_limit_error" : SERVER,
        "instance " + instance + " answered " + status,
        retryAfter,
        true);
  }

  /// The same of a request that has failed before.
  ApiError after(ApiError before) {
    return new ApiError(
        status,
        outcome,
        code,
        type,
        message + "; before that: " + before.message,
        retryAfter,
        again);
  }

  /// The event by which an answer that is no event stream is told inside one: the instance's own
  /// words when they are a JSON document, in one line.
  static byte[] toldInside(int status, String said, ErrorShape shape) {
    JsonNode own = MissingNode.getInstance();
    try {
      own = Json.tree(said.getBytes(StandardCharsets.UTF_8));
    } catch (IOException noJson) {
      // told in our words
    }
    boolean error = status >= 400;
    boolean itsOwnForm =
        error
            && (shape == ErrorShape.OPENAI
                ? own.path("error").isObject()
                : "error".equals(own.path("type").asText()));
    if (itsOwnForm) {
      String name = shape == ErrorShape.OPENAI ? "" : "event: error\n";
      return (name + "data: " + Json.text(own) + "\n\n").getBytes(StandardCharsets.UTF_8);
    }
    String words = error ? words(own) : "";
    String event =
        shape.event(
            new ApiError(
                status < 400 ? 502 : status,
                Outcome.UPSTREAM_ERROR,
                "instance_error",
                SERVER,
                words.isEmpty()
                    ? "the instance answered " + status + " (expected: an event stream)"
                    : words,
                null,
                true));
    return event.getBytes(StandardCharsets.UTF_8);
  }

  /// The message of an instance's error, whatever its form.
  private static String words(JsonNode own) {
    JsonNode e = own.path("error");
    return e.isTextual() ? e.asText() : e.path("message").asText(own.path("message").asText());
  }

  /// For requests that cannot be read at all.
  static ApiError refusal(int status, String why) {
    if (status == 500) {
      return internal();
    }
    boolean ours = status >= 500 && status != 501 && status != 505;
    return new ApiError(
        status,
        status == 503 ? Outcome.REJECTED : Outcome.CLIENT_ERROR,
        switch (status) {
          case 408 -> "request_timeout";
          case 413 -> "request_too_large";
          case 414 -> "target_too_long";
          case 415 -> "unsupported_content_encoding";
          case 417 -> "expectation_failed";
          case 431 -> "head_too_large";
          case 501 -> "not_supported";
          case 503 -> OVERLOADED;
          default -> "bad_request";
        },
        ours ? SERVER : "invalid_request_error",
        why,
        status == 503 ? SOON : null,
        ours || status == 408);
  }

  Response response(String requestId, ErrorShape shape) {
    Response r = Response.json(status, shape.body(this)).with("x-request-id", requestId);
    if (retryAfter != null) {
      r = r.with("retry-after", retryAfter);
    }
    if (status == 401) {
      r = r.with("www-authenticate", "Bearer");
    }
    return again ? r : r.with("x-should-retry", "false");
  }
}
