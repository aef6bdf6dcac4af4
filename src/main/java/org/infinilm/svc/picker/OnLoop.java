package org.infinilm.svc.picker;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.router.Carried;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What every request of Envoy's has of its event loop and of the service, whatever stands in its
/// messages.
abstract class OnLoop implements Carried {
  private static final Logger LOG = LoggerFactory.getLogger(OnLoop.class);

  /// The client's address is Envoy's to know, and to tell instances.
  private static final String NOT_KNOWN = "0.0.0.0";

  static final InboundEvents NOBODY =
      new InboundEvents() {
        @Override
        public void writable(boolean on) {}

        @Override
        public void gone() {}

        @Override
        public void shutdown() {}

        @Override
        public void fault() {}
      };

  private final ExtProc service;
  private final EventLoop loop;

  OnLoop(ExtProc service, EventLoop loop) {
    this.service = service;
    this.loop = loop;
  }

  @Override
  public abstract Fields head();

  /// Code of ours failed.
  abstract void failed();

  private byte[] bytes() {
    ByteBuf b = body();
    byte[] out = new byte[b.readableBytes()];
    b.getBytes(b.readerIndex(), out);
    return out;
  }

  final void here(Runnable task) {
    if (loop.inEventLoop()) {
      task.run();
    } else {
      loop.execute(task);
    }
  }

  @Override
  public String peer() {
    return NOT_KNOWN;
  }

  @Override
  public void relayInterim(ResponseHead from) {}

  @Override
  public void startStream(List<Header> fields) {
    throw new IllegalStateException("Envoy begins answers");
  }

  @Override
  public boolean takesOurs() {
    return false;
  }

  @Override
  public void flush() {}

  @Override
  public void serve(Handler handler) {
    Request r =
        new Request(
            head().method(),
            head().path(),
            head().target().indexOf('?') < 0
                ? null
                : head().target().substring(head().target().indexOf('?') + 1),
            new Headers(head().plain()),
            bytes(),
            peer(),
            new Stays());
    Thread.ofVirtual()
        .name("picker-route ", 0)
        .start(() -> {
          Response answer = handled(handler, r);
          loop.execute(() -> goOn(this::answer, answer));
        });
  }

  private Response handled(Handler handler, Request r) {
    try {
      return handler.handle(r);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return service.chooser().refusal(503, "the picker ends; ask again", head());
    } catch (Throwable e) {
      // an Error too: Envoy must not wait for an answer that never comes
      LOG.error("{} {} failed", r.method(), r.path(), e);
      return service.chooser().refusal(500, "Internal server error", head());
    }
  }

  /// Routes that Envoy is answered at are short.
  private static final class Stays implements Request.Gone {
    @Override
    public void onGone(Runnable callback) {}

    @Override
    public boolean isGone() {
      return false;
    }
  }

  @Override
  public <T> void apart(Supplier<T> work, Consumer<T> then) {
    service
        .memory()
        .readers()
        .execute(() -> {
          try {
            T made = work.get();
            loop.execute(() -> goOn(then, made));
          } catch (Throwable e) {
            LOG.error("a request could not be read", e);
            loop.execute(this::failed);
          }
        });
  }

  private <T> void goOn(Consumer<T> then, T made) {
    try {
      then.accept(made);
    } catch (Throwable e) {
      LOG.error("a request could not go on", e);
      failed();
    }
  }

  @Override
  public boolean isWritable() {
    return true;
  }

  @Override
  public Runnable later(Duration delay, Runnable task) {
    var due = loop.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
    return () -> due.cancel(false);
  }

  @Override
  public boolean isHere() {
    return loop.inEventLoop();
  }

  @Override
  public void execute(Runnable task) {
    loop.execute(task);
  }

  @Override
  public Executor loop() {
    return loop;
  }

  @Override
  public int mostOthers() {
    return service.fallbacks();
  }
}
