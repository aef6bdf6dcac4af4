package org.infinilm.svc.trace;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/// One piece of work with its beginning and its end.
///
/// @param id of 16 hexadecimal digits, as all of these
/// @param parentId null for one that begins a trace
/// @param startNanos since 1970
/// @param attributes texts, whole numbers, numbers and truths by name; null is left out
/// @param error why it failed, or null when it did not
public record Span(
    String traceId,
    String id,
    @Nullable String parentId,
    Kind kind,
    String name,
    long startNanos,
    long endNanos,
    Map<String, @Nullable Object> attributes,
    @Nullable String error) {
  /// Whose work it is.
  public enum Kind {
    /// Of a request that came.
    SERVER,
    /// Of a request that was sent.
    CLIENT,
    INTERNAL
  }
}
