package org.infinilm.svc.http;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// The answer of a control-plane handler: status, headers, and either a whole body or a writer that
/// streams it in chunks, or a writer that takes the connection over.
///
/// @param status 0 for a [#raw] answer, whose writer sends its own
/// @param stream writes the body when not null; `body` is then empty
public record Response(int status, Headers headers, byte[] body, @Nullable BodyWriter stream) {

  /// Streams a body; runs on the request's virtual thread and may block.
  @FunctionalInterface
  public interface BodyWriter {
    void write(BodySink sink) throws IOException, InterruptedException;
  }

  /// Where a streamed body goes. One thread writes.
  public interface BodySink {
    /// Sends and flushes one piece as one chunk; blocks while the client reads too slowly.
    ///
    /// @throws IOException when the client went away
    void write(byte[] piece) throws IOException, InterruptedException;

    /// Closes the connection without the last chunk, so that the client sees a broken stream.
    void abort();

    /// Resets the connection (RST, `SO_LINGER` 0) instead of closing it in order; what was not yet
    /// sent is lost.
    void reset();
  }

  /// A compact JSON answer of `value` (maps, lists, strings, numbers, booleans, null).
  public static Response json(int status, Object value) {
    return new Response(
        status, Headers.of("content-type", "application/json"), Json.bytes(value), null);
  }

  public static Response text(int status, String contentType, String text) {
    return new Response(
        status,
        Headers.of("content-type", contentType),
        text.getBytes(StandardCharsets.UTF_8),
        null);
  }

  public static Response empty(int status) {
    return new Response(status, Headers.NONE, new byte[0], null);
  }

  public static Response stream(int status, Headers headers, BodyWriter writer) {
    return new Response(status, headers, new byte[0], writer);
  }

  /// Takes the connection over: what `writer` sends goes out as it is, without head or framing, and
  /// the connection is closed when it returns. For servers that misbehave on purpose.
  public static Response raw(BodyWriter writer) {
    return new Response(0, Headers.NONE, new byte[0], writer);
  }

  boolean isRaw() {
    return status == 0;
  }

  /// The same with another writer of its body.
  public Response with(BodyWriter other) {
    return new Response(status, headers, body, other);
  }

  public Response with(String name, String value) {
    return new Response(status, headers.with(name, value), body, stream);
  }
}
