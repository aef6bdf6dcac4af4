package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Reads single fields of a JSON body; what does not fit is refused with its name, its value and
/// the range. Error texts carry numbers as sent and everything else by its kind: no request text.
final class Fields {
  private static final int LONGEST_SHOWN = 40;

  /// Values, names and brackets of one body: as many as the token ids of the longest prompts, and
  /// so many that what is built of them stays below a tenth of a gigabyte.
  static final int MOST_VALUES = 1 << 20;

  private Fields() {}

  /// A body that must be a JSON object.
  static JsonNode object(byte[] body) throws ApiError {
    if (Json.isLargerThan(MOST_VALUES, body)) {
      throw new ApiError(
          413,
          "request_too_large",
          null,
          "a body of more than " + MOST_VALUES + " values (expected: at most as many)");
    }
    try {
      JsonNode root = Json.tree(body);
      if (!root.isObject()) {
        throw new ApiError(
            400, "invalid_json", null, "body: " + kind(root) + " (expected: a JSON object)");
      }
      return root;
    } catch (JsonProcessingException e) {
      JsonLocation at = e.getLocation();
      String place =
          at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
      throw new ApiError(
          400, "invalid_json", null, "Invalid JSON" + place + " (expected: a JSON object)");
    }
  }

  /// The name of a model, or null.
  static @Nullable String model(JsonNode root) throws ApiError {
    JsonNode model = root.path("model");
    if (given(model) && !model.isTextual()) {
      throw ApiError.value("model", kind(model), "a string");
    }
    return given(model) ? model.textValue() : null;
  }

  /// A list of token ids, of any value.
  ///
  /// @param at the field that is the list
  static int[] ids(String at, JsonNode list) throws ApiError {
    if (!list.isArray()) {
      throw ApiError.value(at, kind(list), "a list of token ids");
    }
    int[] ids = new int[list.size()];
    for (int i = 0; i < ids.length; i++) {
      JsonNode id = list.path(i);
      if (!id.canConvertToExactIntegral() || !id.canConvertToInt()) {
        throw ApiError.value(at + "[" + i + "]", kind(id), "a token id");
      }
      ids[i] = id.intValue();
    }
    return ids;
  }

  static boolean given(JsonNode n) {
    return !n.isMissingNode() && !n.isNull();
  }

  static boolean truth(JsonNode object, String field, boolean fallback) throws ApiError {
    JsonNode n = object.path(field);
    if (!given(n)) {
      return fallback;
    }
    if (!n.isBoolean()) {
      throw ApiError.value(field, kind(n), "true or false");
    }
    return n.booleanValue();
  }

  static long whole(JsonNode root, String field, long fallback, long min, long max)
      throws ApiError {
    JsonNode n = root.path(field);
    if (!given(n)) {
      return fallback;
    }
    if (!isWhole(n) || n.longValue() < min || n.longValue() > max) {
      String range =
          min == Long.MIN_VALUE
              ? "a whole number"
              : min == max ? "" + min : "a whole number " + min + ".." + max;
      throw ApiError.value(field, kind(n), range);
    }
    return n.longValue();
  }

  /// Whether it is a number without fraction that a long can hold.
  static boolean isWhole(JsonNode n) {
    return n.isNumber() && n.canConvertToExactIntegral() && n.canConvertToLong();
  }

  static double number(JsonNode root, String field, double fallback, double min, double max)
      throws ApiError {
    JsonNode n = root.path(field);
    if (!given(n)) {
      return fallback;
    }
    if (!n.isNumber() || !(n.doubleValue() >= min && n.doubleValue() <= max)) {
      throw ApiError.value(field, kind(n), "a number " + min + ".." + max);
    }
    return n.doubleValue();
  }

  /// A number as it is, everything else by its kind.
  static String kind(JsonNode n) {
    return switch (n.getNodeType()) {
      case NUMBER, BOOLEAN -> shown(n.asText());
      case STRING -> "a string";
      case ARRAY -> n.isEmpty() ? "an empty list" : "a list";
      case OBJECT -> "an object";
      case NULL -> "null";
      default -> "missing";
    };
  }

  /// A name or number short enough for a message.
  static String shown(String text) {
    return text.length() <= LONGEST_SHOWN ? text : text.substring(0, LONGEST_SHOWN) + "...";
  }
}
