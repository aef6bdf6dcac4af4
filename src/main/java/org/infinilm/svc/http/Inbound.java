package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.List;

/// One request of a client, body complete, and the way back. Event-loop confined.
///
/// An answer is either one [#answer], or [#relayHead], slices, [#relayEnd]; or it is broken off.
/// The body stays readable until then.
public interface Inbound {
  RequestHead head();

  /// The whole body; owned by the connection, valid until the answer ends.
  ByteBuf body();

  /// Numeric address of the client.
  String peer();

  void events(InboundEvents events);

  /// Sends this request to an instance.
  ///
  /// @param set fields that replace the client's (lower-case names)
  /// @param firstByte limit until the first byte of the answer's body, and between bytes after it
  /// @param reuse whether a kept connection will do; one may turn out to be closed
  ///   ([UpstreamFailure#CLOSED_STALE])
  UpstreamCall send(
      Origin origin, List<Header> set, Duration firstByte, boolean reuse, UpstreamEvents events);

  /// Starts the answer with an instance's head: end-to-end fields as they are, hop-by-hop ones
  /// dropped.
  ///
  /// @param set fields that replace the instance's (lower-case names)
  void relayHead(ResponseHead head, List<Header> set);

  /// Passes on a slice; takes ownership.
  void relayBody(ByteBuf slice);

  void flush();

  void relayEnd();

  /// Writes a last piece of a relayed body, then closes without ending the message, so that the
  /// client sees the break.
  void breakOff(byte[] lastPiece);

  /// Answers without an instance.
  void answer(Response response);

  /// Hands the request to a blocking handler on a virtual thread, whose whole answer is sent.
  void serve(Handler handler);

  boolean isWritable();

  /// Runs `task` on this event loop, after `delay`.
  void later(Duration delay, Runnable task);
}
