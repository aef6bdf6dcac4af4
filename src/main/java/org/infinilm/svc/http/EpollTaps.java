package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.util.collection.IntObjectHashMap;
import io.netty.util.collection.IntObjectMap;
import io.netty.util.concurrent.FastThreadLocal;
import io.netty.util.concurrent.ThreadAwareExecutor;
import org.jspecify.annotations.Nullable;

/// Netty's epoll, with a [Tap] before each socket. Confined to its loop.
final class EpollTaps implements IoHandler {
  private static final FastThreadLocal<EpollTaps> CURRENT = new FastThreadLocal<>();

  private final IoHandler epoll;
  private final IntObjectMap<Tap> taps = new IntObjectHashMap<>();
  private long rounds;
  private boolean handles;

  private EpollTaps(IoHandler epoll) {
    this.epoll = epoll;
  }

  static IoHandlerFactory factory() {
    IoHandlerFactory netty = EpollIoHandler.newFactory();
    return new IoHandlerFactory() {
      @Override
      public IoHandler newHandler(ThreadAwareExecutor executor) {
        return new EpollTaps(netty.newHandler(executor));
      }

      @Override
      public boolean isChangingThreadSupported() {
        return false;
      }
    };
  }

  /// Has `to` get what comes for `c`, which the calling loop has registered, past its pipeline;
  /// does nothing where sockets are not driven by epoll.
  static void open(Channel c, Tap.Reader to) {
    EpollTaps here = CURRENT.get();
    if (here != null && c instanceof EpollSocketChannel s) {
      Tap t = here.taps.get(s.fd().intValue());
      if (t != null) {
        t.open(s, to);
      }
    }
  }

  void remove(Tap t) {
    int fd = t.fd().intValue();
    if (taps.get(fd) == t) {
      taps.remove(fd);
    }
  }

  @Override
  public void initialize() {
    epoll.initialize();
  }

  /// Those of the calling loop; null where sockets are not driven by epoll, and before the first.
  static @Nullable EpollTaps current() {
    return CURRENT.get();
  }

  /// The number of the round whose events are being handled: all of them had happened before
  /// anything was done in it. 0 while none are, as in a task of the loop.
  long round() {
    return handles ? rounds : 0;
  }

  @Override
  public int run(IoHandlerContext context) {
    rounds++;
    handles = true;
    try {
      return epoll.run(context);
    } finally {
      handles = false;
    }
  }

  @Override
  public void prepareToDestroy() {
    epoll.prepareToDestroy();
  }

  @Override
  public void destroy() {
    epoll.destroy();
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    if (!(handle instanceof EpollIoHandle h)) {
      return epoll.register(handle);
    }
    CURRENT.set(this);
    Tap t = new Tap(h, this);
    IoRegistration r = epoll.register(t);
    taps.put(t.fd().intValue(), t);
    return r;
  }

  @Override
  public void wakeup() {
    epoll.wakeup();
  }

  @Override
  public boolean isCompatible(Class<? extends IoHandle> type) {
    return epoll.isCompatible(type);
  }
}
