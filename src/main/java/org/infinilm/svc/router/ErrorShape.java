package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.http.Json;

/// The form in which the clients of a route read errors, in answers and inside streams.
enum ErrorShape {
  /// `{"error":{"code","message","param","type"}}`; in a stream `data:` with the same.
  OPENAI {
    @Override
    Map<String, Object> body(ApiError e) {
      return org.infinilm.svc.http.ApiError.body(e.code(), e.message(), null, e.type());
    }

    @Override
    String event(ApiError e) {
      return "data: " + Json.text(body(e)) + "\n\n";
    }
  },

  /// `/v1/messages`: `{"type":"error","error":{"type","message"}}`; in a stream an `error` event.
  ANTHROPIC {
    @Override
    Map<String, Object> body(ApiError e) {
      String type =
          switch (e.status()) {
            case 400 -> "invalid_request_error";
            case 401 -> "authentication_error";
            case 403 -> "permission_error";
            case 404 -> "not_found_error";
            case 413 -> "request_too_large";
            case 429 -> "rate_limit_error";
            case 503 -> "overloaded_error";
            case 504 -> "timeout_error";
            default -> e.status() < 500 ? "invalid_request_error" : "api_error";
          };
      return Map.of(
          "type", "error", "error", Map.of("type", type, "message", e.code() + ": " + e.message()));
    }

    @Override
    String event(ApiError e) {
      return "event: error\ndata: " + Json.text(body(e)) + "\n\n";
    }
  },

  /// `/v1/responses`: answers as OpenAI's other routes; in a stream an `error` event of its own.
  RESPONSES {
    @Override
    Map<String, Object> body(ApiError e) {
      return OPENAI.body(e);
    }

    @Override
    String event(ApiError e) {
      Map<String, Object> m = new HashMap<>();
      m.put("type", "error");
      m.put("code", e.code());
      m.put("message", e.message());
      m.put("param", null);
      m.put("sequence_number", 0);
      return "event: error\ndata: " + Json.text(m) + "\n\n";
    }
  };

  /// The body of an answer.
  abstract Map<String, Object> body(ApiError e);

  /// The last event of a stream that breaks.
  abstract String event(ApiError e);
}
