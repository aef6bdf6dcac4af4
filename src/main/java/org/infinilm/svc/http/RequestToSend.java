package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import org.jspecify.annotations.Nullable;

/// A request as one instance gets it, in either framing. Owned by one call at a time.
///
/// @param decoded for the codec to word, body included, or null
/// @param words head and perhaps body, when there is nothing for the codec to do
/// @param body what follows the words, or an empty buffer
/// @param toHead whether it is a HEAD request
record RequestToSend(
    @Nullable FullHttpRequest decoded, ByteBuf words, ByteBuf body, boolean toHead) {
  /// Bodies up to this go out in one buffer with their head.
  private static final int COPIED_BYTES = 8 << 10;

  private static final byte[] VERSION = Ascii.of(" HTTP/1.1\r\n");

  /// One for the codec.
  static RequestToSend of(FullHttpRequest r) {
    return new RequestToSend(
        r, Unpooled.EMPTY_BUFFER, Unpooled.EMPTY_BUFFER, r.method().equals(HttpMethod.HEAD));
  }

  /// One for the codec: with a length, or in chunks where trailers go on.
  ///
  /// @param r changed
  /// @param length to announce, -1 for none
  /// @param content owned from now on
  /// @param trailers of the client's request
  static RequestToSend decoded(
      HttpRequest r, Outgoing call, long length, ByteBuf content, HttpHeaders trailers) {
    HttpHeaders h = r.headers();
    HttpHeaders last =
        trailers.isEmpty() ? trailers : Trailers.passing(trailers, HopByHop.named(h), call.patch());
    HopByHop.strip(h);
    h.remove(HttpHeaderNames.TRANSFER_ENCODING);
    h.remove(HttpHeaderNames.EXPECT);
    if (!last.isEmpty()) {
      h.remove(HttpHeaderNames.CONTENT_LENGTH);
      h.set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
      h.set(HttpHeaderNames.TRAILER, String.join(", ", last.names()));
    } else if (length >= 0) {
      h.set(HttpHeaderNames.CONTENT_LENGTH, length);
    }
    h.set(HttpHeaderNames.HOST, call.origin().hostField());
    NettyFields.apply(h, call.patch());
    return of(
        new DefaultFullHttpRequest(
            HttpVersion.HTTP_1_1, r.method(), call.origin().target(r.uri()), content, h, last));
  }

  /// @param length to announce, -1 for none
  /// @param content owned from now on
  static RequestToSend plain(
      PlainRequest r,
      Outgoing call,
      long length,
      ByteBuf content,
      LoopState loop,
      ByteBufAllocator alloc) {
    HeadWriter words = loop.writer();
    boolean toHead = r.method().equals("HEAD");
    try {
      words.clear();
      if (call.origin().prefix().isEmpty()) {
        r.lines().startLine(words);
      } else {
        words.text(r.method());
        words.text(" ");
        words.text(call.origin().target(r.target()));
        words.bytes(VERSION);
      }
      if (length >= 0) {
        words.field("content-length", length);
      }
      words.field("host", call.origin().hostField());
      r.lines().patched(words, call.patch());
      words.crlf();
      int n = content.readableBytes();
      boolean copied = n <= COPIED_BYTES;
      ByteBuf out = buffer(words.size() + (copied ? n : 0), loop, alloc);
      words.into(out);
      if (copied) {
        out.writeBytes(content, content.readerIndex(), n);
        content.release();
      }
      return new RequestToSend(null, out, copied ? Unpooled.EMPTY_BUFFER : content, toHead);
    } catch (RuntimeException | Error e) {
      content.release();
      throw e;
    }
  }

  private static ByteBuf buffer(int bytes, LoopState loop, ByteBufAllocator alloc) {
    Scratch s = loop.scratch();
    return s == null ? alloc.ioBuffer(bytes) : s.buffer(bytes, alloc);
  }

  /// The same as one that may have to wait; ownership passes.
  RequestToSend kept(LoopState loop, ByteBufAllocator alloc) {
    Scratch s = loop.scratch();
    return s == null || decoded != null
        ? this
        : new RequestToSend(null, s.kept(words, alloc), body, toHead);
  }

  void release() {
    if (decoded != null) {
      decoded.release();
    } else {
      words.release();
      body.release();
    }
  }
}
