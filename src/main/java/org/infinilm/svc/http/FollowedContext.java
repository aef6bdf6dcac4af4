package org.infinilm.svc.http;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.ApplicationProtocolNegotiator;
import io.netty.handler.ssl.SslContext;
import java.util.List;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSessionContext;

/// The context of this moment, for those who keep one for good. Thread-safe.
final class FollowedContext extends SslContext {
  private final Supplier<SslContext> now;

  FollowedContext(Supplier<SslContext> now) {
    this.now = now;
  }

  @Override
  public boolean isClient() {
    return now.get().isClient();
  }

  @Override
  public List<String> cipherSuites() {
    return now.get().cipherSuites();
  }

  @Override
  @SuppressWarnings("deprecation") // the way to the protocols that are negotiated
  public ApplicationProtocolNegotiator applicationProtocolNegotiator() {
    return now.get().applicationProtocolNegotiator();
  }

  @Override
  public SSLEngine newEngine(ByteBufAllocator alloc) {
    return now.get().newEngine(alloc);
  }

  @Override
  public SSLEngine newEngine(ByteBufAllocator alloc, String peerHost, int peerPort) {
    return now.get().newEngine(alloc, peerHost, peerPort);
  }

  @Override
  public SSLSessionContext sessionContext() {
    return now.get().sessionContext();
  }
}
