package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A request's body that goes out piece by piece, a piece in a round of its loop: an instance that
/// reads as fast as we write would have the loop for itself until the last byte. What encrypts or
/// copies on the way does so with a piece, not with the whole. Confined to that loop.
final class LargeBody {
  /// Of a piece. Smaller bodies go out whole.
  static final int PIECE_BYTES = 128 << 10;

  /// Where pieces go.
  interface Way {
    /// Sends `piece`, whose ownership passes.
    ///
    /// @return whether all is with the kernel; if not, `rest` tells what becomes of it
    boolean send(ByteBuf piece, boolean last, Outlet.Done rest);
  }

  private final EventLoop loop;
  private final ByteBuf body;
  private final Way way;
  private final Outlet.Done done;

  /// @param body owned from now on
  /// @param done told once all is with the kernel, or why it never will be
  LargeBody(EventLoop loop, ByteBuf body, Way way, Outlet.Done done) {
    this.loop = loop;
    this.body = body;
    this.way = way;
    this.done = done;
  }

  /// Bytes of which no piece was made yet.
  int left() {
    return body.readableBytes();
  }

  /// Sends the next piece.
  void send() {
    boolean last = body.readableBytes() <= PIECE_BYTES;
    // of the last piece too a slice: the body is asked for what is left of it
    ByteBuf piece = body.readRetainedSlice(Math.min(PIECE_BYTES, body.readableBytes()));
    if (last) {
      body.release();
    }
    if (way.send(piece, last, why -> sent(why, last))) {
      sent(null, last);
    }
  }

  private void sent(@Nullable Throwable why, boolean last) {
    if (last) {
      done.done(why);
    } else if (why != null) {
      body.release();
      done.done(why);
    } else {
      // not as a task, which would run in this round: others have their turn before the next piece
      loop.schedule(this::send, 0, TimeUnit.NANOSECONDS);
    }
  }
}
