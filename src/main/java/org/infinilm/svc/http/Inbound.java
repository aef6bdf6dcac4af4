package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;

/// One request of a client, body complete, and the way back. Event-loop confined, except [#execute]
/// and [#isHere].
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

  /// Sends this request to an instance. The request's own head and body stay as they came, however
  /// often it is sent. No event comes before this returns, and all come on this event loop.
  UpstreamCall send(Outgoing call, UpstreamEvents events);

  /// Passes on an instance's informational answer, which goes before the answer itself: to clients
  /// of HTTP/1.1, as long as no answer has begun.
  void relayInterim(ResponseHead head);

  /// Starts the answer with an instance's head: end-to-end fields as they are, hop-by-hop ones
  /// dropped.
  void relayHead(ResponseHead head, HeadPatch patch);

  /// Starts an answer of ours, 200 and `text/event-stream`, before an instance has answered; slices
  /// follow as after [#relayHead].
  void startStream(List<Header> fields);

  /// Whether bytes of ours may stand in the body of the answer that has begun: not where there is
  /// no body, nor where the instance has told its length.
  boolean takesOurs();

  /// Passes on a slice; takes ownership.
  void relayBody(ByteBuf slice);

  void flush();

  void relayEnd();

  /// Writes a last piece of a relayed body, where it takes bytes of ours, then closes without
  /// ending the message, so that the client sees the break.
  void breakOff(byte[] lastPiece);

  /// Answers without an instance.
  void answer(Response response);

  /// Hands the request to a blocking handler on a virtual thread, whose whole answer is sent.
  void serve(Handler handler);

  /// Does `work`, which may take long and may read head and body, on another thread, then hands
  /// what came of it to `then` on this event loop; or drops both when the client leaves before the
  /// work began.
  <T> void apart(Supplier<T> work, Consumer<T> then);

  /// Memory for what is made of the body.
  Room room();

  boolean isWritable();

  /// Runs `task` on this event loop, after `delay`, unless what is returned is run before.
  Runnable later(Duration delay, Runnable task);

  /// Whether the calling thread is this event loop's. Thread-safe.
  boolean isHere();

  /// Runs `task` on this event loop soon. Thread-safe.
  void execute(Runnable task);

  /// This event loop, for tasks that are not this request's. Thread-safe.
  Executor loop();
}
