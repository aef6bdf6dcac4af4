package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Response;

/// An error in OpenAI's shape: `{"error":{"code","message","param","type"}}`.
record ApiError(int status, Outcome outcome, String code, String type, String message) {
  static ApiError invalid(String code, String message) {
    return new ApiError(400, Outcome.CLIENT_ERROR, code, "invalid_request_error", message);
  }

  static ApiError unavailable(String code, String message) {
    return new ApiError(503, Outcome.REJECTED, code, "server_error", message);
  }

  /// A fault of ours.
  static ApiError internal() {
    return new ApiError(
        500, Outcome.INTERNAL, "internal_error", "server_error", "Internal server error");
  }

  /// What a client is told when the last attempt failed so; the one place that maps failures.
  static ApiError of(Failure f, String instance) {
    String who = " (instance " + instance + ")";
    return switch (f.kind()) {
      case TLS_FAILED ->
          new ApiError(
              503,
              Outcome.UPSTREAM_GONE,
              "instance_unreachable",
              "server_error",
              "Service unavailable - TLS: " + f.detail() + who);
      case CONNECT_REFUSED ->
          new ApiError(
              503,
              Outcome.UPSTREAM_GONE,
              "instance_unreachable",
              "server_error",
              "Service unavailable - connection refused" + who);
      case LOCAL -> unavailable("overloaded", "the router is out of resources: " + f.detail());
      case CONNECT_TIMEOUT, TIMEOUT_FIRST_BYTE, TIMEOUT_STALLED ->
          new ApiError(504, Outcome.TIMEOUT, "timeout", "server_error", "Service timeout" + who);
      case CLOSED_STALE, CLOSED_BEFORE_ANSWER, BAD_ANSWER ->
          new ApiError(
              502,
              Outcome.UPSTREAM_GONE,
              "bad_gateway",
              "server_error",
              "Bad gateway - error communicating with service" + who);
      case CLOSED_MID_ANSWER ->
          new ApiError(
              502,
              Outcome.UPSTREAM_GONE,
              "stream_interrupted",
              "server_error",
              "Failed to read response from service" + who);
    };
  }

  /// For requests that cannot be read at all.
  static ApiError refusal(int status, String why) {
    return new ApiError(
        status,
        status == 503 ? Outcome.REJECTED : Outcome.CLIENT_ERROR,
        switch (status) {
          case 408 -> "request_timeout";
          case 413 -> "request_too_large";
          case 414 -> "target_too_long";
          case 431 -> "head_too_large";
          case 501 -> "not_supported";
          case 503 -> "overloaded";
          default -> "bad_request";
        },
        status == 503 ? "server_error" : "invalid_request_error",
        why);
  }

  Map<String, Object> body() {
    Map<String, Object> e = new HashMap<>();
    e.put("code", code);
    e.put("message", message);
    e.put("param", null);
    e.put("type", type);
    return Map.of("error", e);
  }

  Response response(String requestId) {
    Response r = Response.json(status, body()).with("x-request-id", requestId);
    return switch (code) {
      case "model_not_available", "context_length_exceeded" -> r.with("x-should-retry", "false");
      case "no_healthy_instance", "instance_unreachable", "overloaded" ->
          r.with("retry-after", "1");
      default -> r;
    };
  }
}
