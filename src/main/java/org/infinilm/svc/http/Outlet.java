package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.IovArray;
import io.netty.channel.unix.Socket;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/// Where words and slices leave for one socket. While nothing waits for the socket they go to it at
/// once, past pipeline and outbound buffer; what it does not take, and all behind that, goes the
/// pipeline's way, as does everything where there is more than a plain socket of epoll. Confined to
/// the channel's loop.
final class Outlet {
  private static final int MOST = 4;
  private static final int MOST_BYTES = 64 << 10;

  private final ChannelHandlerContext encoder;
  private final Channel channel;
  private final @Nullable Scratch scratch;
  private final @Nullable Socket socket;
  private final Deque<ByteBuf> held = new ArrayDeque<>(MOST);
  private long heldBytes;
  private long sentBytes;
  private boolean handedOn;
  private @Nullable IOException trouble;

  /// @param encoder where messages leave the codec
  /// @param scratch of the loop; null when nothing goes past the pipeline
  Outlet(ChannelHandlerContext encoder, @Nullable Scratch scratch) {
    this.encoder = encoder;
    this.channel = encoder.channel();
    this.scratch = scratch;
    this.socket =
        scratch != null && channel instanceof EpollSocketChannel s ? (Socket) s.fd() : null;
  }

  /// Bytes that went past the pipeline, since the connection began.
  long sentBytes() {
    return sentBytes;
  }

  /// An empty buffer with room for so many bytes, no larger than it must be where it may have to
  /// wait.
  ByteBuf buffer(int bytes) {
    return socket == null || scratch == null
        ? channel.alloc().ioBuffer(bytes)
        : scratch.buffer(bytes, channel.alloc());
  }

  /// Takes ownership; it goes out with [#flush] at the latest.
  void write(ByteBuf b) {
    if (!b.isReadable()) {
      b.release();
      return;
    }
    if (held.size() == MOST || heldBytes > MOST_BYTES) {
      send();
      handOn(channel.voidPromise());
    }
    held.addLast(b);
    heldBytes += b.readableBytes();
  }

  void flush() {
    if (!held.isEmpty() && !send()) {
      handOn(channel.voidPromise());
    }
    if (handedOn) {
      handedOn = false;
      channel.flush();
    }
  }

  /// Flushes; whether all is with the kernel. If not, `rest` tells what becomes of it.
  boolean flush(Done rest) {
    if (send()) {
      return true;
    }
    IOException first = trouble;
    ChannelPromise p = channel.newPromise();
    p.addListener(f -> rest.done(f.isSuccess() ? null : first != null ? first : f.cause()));
    if (held.isEmpty()) {
      held.addLast(Unpooled.EMPTY_BUFFER);
    }
    handOn(p);
    handedOn = false;
    channel.flush();
    return false;
  }

  /// Told of bytes that had to wait.
  interface Done {
    /// @param why they did not go out, or null
    void done(@Nullable Throwable why);
  }

  /// Leaves what is not flushed to the pipeline.
  void giveUp() {
    handOn(channel.voidPromise());
  }

  private void handOn(ChannelPromise last) {
    heldBytes = 0;
    for (ByteBuf b = held.pollFirst(); b != null; b = held.pollFirst()) {
      ByteBuf kept = scratch == null ? b : scratch.kept(b, channel.alloc());
      encoder.write(kept, held.isEmpty() ? last : channel.voidPromise());
      handedOn = true;
    }
  }

  /// Whether the kernel took all.
  private boolean send() {
    Socket s = socket;
    if (s == null || scratch == null || !channel.isActive()) {
      return false;
    }
    // its isEmpty() is of what was flushed alone
    ChannelOutboundBuffer waiting = channel.unsafe().outboundBuffer();
    if (waiting == null || waiting.totalPendingWriteBytes() > 0) {
      return false;
    }
    long sent;
    try {
      sent = held.size() == 1 ? one(s, held.getFirst()) : many(s, scratch.vector());
    } catch (IOException e) {
      // the socket tells the pipeline again
      trouble = e;
      return false;
    }
    sentBytes += sent;
    heldBytes -= sent;
    for (ByteBuf b = held.peekFirst(); b != null; b = held.peekFirst()) {
      int n = b.readableBytes();
      if (sent < n) {
        b.skipBytes((int) sent);
        return false;
      }
      sent -= n;
      held.removeFirst().release();
    }
    return true;
  }

  private static long one(Socket s, ByteBuf b) throws IOException {
    return b.hasMemoryAddress()
        ? s.sendAddress(b.memoryAddress(), b.readerIndex(), b.writerIndex())
        : 0;
  }

  private long many(Socket s, IovArray v) throws IOException {
    for (ByteBuf b : held) {
      if (!b.isDirect() || !v.add(b, b.readerIndex(), b.readableBytes())) {
        break;
      }
    }
    return v.count() == 0 ? 0 : s.writevAddresses(v.memoryAddress(0), v.count());
  }
}
