package org.infinilm.svc.http;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The one JSON mapper: compact, UTF-8, object keys in alphabetical order (readers of the original
/// compare bytes); duplicate keys and text after the document are refused when reading.
/// Thread-safe.
public final class Json {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder()
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
          .build();

  /// For documents read in parts, of whoever: what follows a part is no error.
  private static final ObjectMapper PARTS = JsonMapper.builder().build();

  /// `(start marker at [Source: REDACTED (...); line: 1, column: 2])`, or without the marker.
  private static final Pattern WHERE =
      Pattern.compile("\\s*(\\(start marker at |at )\\[Source: .*", Pattern.DOTALL);

  /// Where a limit of the library is set, which is nothing that a user has.
  private static final Pattern LIMIT = Pattern.compile(", from `[^`]*`");

  private static final Pattern TOKEN =
      Pattern.compile("Unrecognized token '(.*?)': was expecting .*", Pattern.DOTALL);

  private static final TypeReference<Map<String, Object>> OBJECT = new TypeReference<>() {};

  private Json() {}

  /// `value` (maps, lists, strings, numbers, booleans, null) as compact JSON.
  public static byte[] bytes(Object value) {
    try {
      return MAPPER.writeValueAsBytes(value);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static String text(Object value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Any JSON document as a tree.
  ///
  /// @throws JsonProcessingException when it is none; use [#wrong] and `getLocation()` for users
  public static JsonNode tree(byte[] document) throws JsonProcessingException {
    try {
      JsonNode n = MAPPER.readTree(document);
      return n == null ? MAPPER.missingNode() : n;
    } catch (JsonProcessingException e) {
      throw e;
    } catch (IOException e) {
      throw new JsonParseException(null, "not in UTF-8, UTF-16 or UTF-32", e);
    }
  }

  /// What is wrong with a document, for users: without the library's words on where it looked.
  public static String wrong(JsonProcessingException e) {
    String said = WHERE.matcher(String.valueOf(e.getOriginalMessage())).replaceAll("").strip();
    Matcher token = TOKEN.matcher(said);
    return token.matches()
        ? "'" + token.group(1) + "' is no value of JSON"
        : LIMIT.matcher(said).replaceAll("");
  }

  /// The line, from 1, where the value of `pointer` (RFC 6901) stands in a document, or that of the
  /// nearest value around it when it is absent.
  public static int line(byte[] document, String pointer) {
    return JsonLines.of(document, pointer);
  }

  /// Whether a document has more than `limit` values, names and brackets, or is none: known without
  /// building it.
  public static boolean isLargerThan(int limit, byte[] document) {
    if (document.length <= limit) {
      return false;
    }
    try (JsonParser p = MAPPER.createParser(document)) {
      for (int seen = 0; p.nextToken() != null; seen++) {
        if (seen >= limit) {
          return true;
        }
      }
      return false;
    } catch (IOException noJson) {
      return false;
    }
  }

  /// The tokens of a document, with [JsonParser#readValueAsTree] for the trees in it; duplicate
  /// keys are seen only when the parser is told so. The caller closes it.
  public static JsonParser tokens(InputStream document) throws IOException {
    return PARTS.createParser(document);
  }

  /// The same of bytes `from` to `from + length`.
  public static JsonParser tokens(byte[] document, int from, int length) throws IOException {
    return PARTS.createParser(document, from, length);
  }

  /// Writes a document piece by piece, compact, in UTF-8; closing it closes `to`.
  public static JsonGenerator generator(OutputStream to) throws IOException {
    return PARTS.createGenerator(to);
  }

  /// A tree as plain maps and lists.
  public static Map<String, Object> plain(JsonNode object) {
    return MAPPER.convertValue(object, OBJECT);
  }
}
