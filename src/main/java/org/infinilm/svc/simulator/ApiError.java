package org.infinilm.svc.simulator;

import java.util.LinkedHashMap;
import java.util.Map;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// An answer of the OpenAI routes that is an error; the message names the wrong value and the
/// expected one.
final class ApiError extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String type;
  private final String code;
  private final @Nullable String param;

  ApiError(int status, String type, String code, @Nullable String param, String message) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
  }

  static ApiError invalid(@Nullable String param, String message) {
    return new ApiError(400, "invalid_request_error", "invalid_request", param, message);
  }

  int status() {
    return status;
  }

  Response response() {
    Map<String, @Nullable Object> error = new LinkedHashMap<>();
    error.put("code", code);
    error.put("message", getMessage());
    error.put("param", param);
    error.put("type", type);
    return Response.json(status, Map.of("error", error));
  }
}
