package org.infinilm.svc.http;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A request that cannot be served, in the form of OpenAI's routes. The message names the wrong
/// value and the expected one.
public final class ApiError extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String code;
  private final @Nullable String param;

  /// @param status of HTTP; the error's type follows from it
  /// @param code one word that programs can test
  /// @param param the field that is wrong; null when it is none
  public ApiError(int status, String code, @Nullable String param, String message) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  /// A value that is out of its range: `param: seen (expected: what)`.
  public static ApiError value(String param, Object seen, String expected) {
    return new ApiError(
        400, "invalid_value", param, param + ": " + seen + " (expected: " + expected + ")");
  }

  public int status() {
    return status;
  }

  /// The document of such an error.
  ///
  /// @param type of OpenAI's closed set
  public static Map<String, Object> body(
      String code, @Nullable String message, @Nullable String param, String type) {
    Map<String, @Nullable Object> error = new HashMap<>();
    error.put("code", code);
    error.put("message", message);
    error.put("param", param);
    error.put("type", type);
    return Map.of("error", error);
  }

  public Map<String, Object> body() {
    String type =
        status == 429
            ? "rate_limit_error"
            : status >= 500 ? "server_error" : "invalid_request_error";
    return body(code, getMessage(), param, type);
  }

  /// The answer; 429 and 503 say that the same request may be sent again in a second.
  public Response response() {
    Response r = Response.json(status, body());
    return switch (status) {
      case 429, 503 -> r.with("retry-after", "1");
      default -> r;
    };
  }
}
