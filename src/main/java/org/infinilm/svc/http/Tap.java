package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.IoEvent;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.Socket;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Stands between epoll and the channel of one socket. Where somebody reads past the pipeline,
/// bytes that are readable are read here; every other event is the channel's: writability, the
/// peer's end, errors, and all while it does not read. Confined to its loop.
@SuppressWarnings("try") // what a channel closes with is Netty's to say
final class Tap implements EpollIoHandle {
  private static final int LEAST_BYTES = 1 << 10;
  private static final int FIRST_BYTES = 2 << 10;
  private static final int MOST_BYTES = 64 << 10;

  /// Reads of one socket before others have their turn.
  private static final int MOST_READS = 16;

  private static final int READABLE = EpollIoOps.EPOLLIN.value();

  /// Gets what comes past the pipeline.
  interface Reader {
    /// Takes ownership.
    void read(ByteBuf in);

    /// What was readable has been read.
    void readAll();
  }

  private final EpollIoHandle channelSide;
  private final EpollTaps taps;
  private @Nullable Reader reader;
  private @Nullable EpollSocketChannel channel;
  private int expected = FIRST_BYTES;
  private boolean less;

  Tap(EpollIoHandle channelSide, EpollTaps taps) {
    this.channelSide = channelSide;
    this.taps = taps;
  }

  void open(EpollSocketChannel c, Reader to) {
    channel = c;
    reader = to;
  }

  @Override
  public FileDescriptor fd() {
    return channelSide.fd();
  }

  @Override
  public void handle(IoRegistration registration, IoEvent event) {
    Reader to = reader;
    EpollSocketChannel c = channel;
    if (to == null
        || c == null
        || ((EpollIoEvent) event).ops().value() != READABLE
        || !c.config().isAutoRead()
        || !read(c, to)) {
      channelSide.handle(registration, event);
    }
  }

  /// Whether the channel need not look.
  private boolean read(EpollSocketChannel c, Reader to) {
    Socket socket = (Socket) c.fd();
    int reads = 0;
    int total = 0;
    boolean more;
    int n;
    do {
      ByteBuf in = c.alloc().ioBuffer(expected);
      if (!in.hasMemoryAddress()) {
        in.release();
        return false;
      }
      int room = in.writableBytes();
      try {
        n = socket.recvAddress(in.memoryAddress(), in.writerIndex(), in.capacity());
      } catch (IOException | RuntimeException | Error e) {
        in.release();
        end(to, reads);
        c.pipeline().fireExceptionCaught(e);
        return true;
      }
      if (n <= 0) {
        in.release();
        break;
      }
      reads++;
      total += n;
      in.writerIndex(in.writerIndex() + n);
      try {
        to.read(in);
      } catch (RuntimeException | Error e) {
        c.pipeline().fireExceptionCaught(e);
      }
      more = n == room && reads < MOST_READS;
      if (more && expected < MOST_BYTES) {
        expected = Math.min(expected << 2, MOST_BYTES);
      }
    } while (more && c.isActive() && c.config().isAutoRead());
    if (n >= 0) {
      expect(total);
    }
    end(to, reads);
    return n >= 0;
  }

  private static void end(Reader to, int reads) {
    if (reads > 0) {
      to.readAll();
    }
  }

  /// Half the room from now on, when that was enough twice.
  private void expect(int total) {
    if (total > expected >> 1 || expected == LEAST_BYTES) {
      less = false;
    } else if (less) {
      less = false;
      expected >>= 1;
    } else {
      less = true;
    }
  }

  @Override
  public void registered() {
    channelSide.registered();
  }

  @Override
  public void unregistered() {
    taps.remove(this);
    channelSide.unregistered();
  }

  @Override
  public void close() throws Exception {
    channelSide.close();
  }
}
