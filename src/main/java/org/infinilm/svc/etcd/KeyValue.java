package org.infinilm.svc.etcd;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/// One key as etcd has it.
///
/// @param key as text; bytes that are none are replaced
/// @param revision of its last change
/// @param lease with whose end it goes; 0 for none
public record KeyValue(String key, byte[] value, long revision, long lease) {
  static KeyValue read(JsonNode n) {
    return new KeyValue(
        new String(key(n), StandardCharsets.UTF_8),
        bytes(n.path("value")),
        n.path("mod_revision").asLong(),
        n.path("lease").asLong());
  }

  /// The bytes of the key.
  static byte[] key(JsonNode n) {
    return bytes(n.path("key"));
  }

  private static byte[] bytes(JsonNode n) {
    try {
      return Base64.getDecoder().decode(n.asText());
    } catch (IllegalArgumentException notBase64) {
      return new byte[0];
    }
  }

  static String base64(String key) {
    return base64(key.getBytes(StandardCharsets.UTF_8));
  }

  static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  /// The first key behind all that begin with `prefix`.
  static String behind(String prefix) {
    byte[] b = prefix.getBytes(StandardCharsets.UTF_8);
    b[b.length - 1]++;
    return base64(b);
  }
}
