package org.infinilm.svc.engine;

import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// A request that cannot be served, in OpenAI's shape.
final class ApiError extends Exception {
  private final int status;
  private final String code;
  private final @Nullable String param;

  ApiError(int status, String code, @Nullable String param, String message) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  /// A value that is out of its range: `param: seen (expected: what)`.
  static ApiError value(String param, Object seen, String expected) {
    return new ApiError(
        400, "invalid_value", param, param + ": " + seen + " (expected: " + expected + ")");
  }

  int status() {
    return status;
  }

  private String type() {
    return switch (status) {
      case 429 -> "rate_limit_error";
      case 500, 503 -> "server_error";
      default -> "invalid_request_error";
    };
  }

  Map<String, Object> body() {
    Map<String, @Nullable Object> error = new HashMap<>();
    error.put("code", code);
    error.put("message", getMessage());
    error.put("param", param);
    error.put("type", type());
    return Map.of("error", error);
  }

  Response response() {
    Response r = Response.json(status, body());
    return switch (status) {
      case 429, 503 -> r.with("retry-after", "1");
      default -> r;
    };
  }
}
