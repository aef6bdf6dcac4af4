package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Netty's request decoder, refusing what two readers could frame differently (RFC 9112 sections
/// 2.2, 3.2, 5.2, 6.1, 6.3). [RequestGrammar] looks over the bytes that it takes, since the decoder
/// itself repairs some of what is wrong (obs-fold, empty lines); [RequestCheck] judges the decoded
/// head.
final class StrictRequestDecoder extends HttpRequestDecoder {
  static final int MAX_HEAD_BYTES = 64 << 10;
  static final int MAX_FIELDS = 200;

  private enum Part {
    HEAD,
    CHUNKS,
    LENGTH
  }

  private final RequestGrammar grammar = new RequestGrammar();
  private final BooleanSupplier wanted;
  private Part part = Part.HEAD;
  private boolean broken;

  StrictRequestDecoder() {
    this(() -> true);
  }

  /// @param wanted asked before each step; while it is false, bytes wait undecoded
  StrictRequestDecoder(BooleanSupplier wanted) {
    super(
        new HttpDecoderConfig()
            .setMaxInitialLineLength(16 << 10)
            .setMaxHeaderSize(MAX_HEAD_BYTES)
            .setMaxChunkSize(64 << 10)
            .setStrictLineParsing(true)
            .setUseRfc9112TransferEncoding(true)
            .setAllowDuplicateContentLengths(false));
    this.wanted = wanted;
  }

  /// Bytes that wait undecoded.
  int waitingBytes() {
    return actualReadableBytes();
  }

  /// Whether bytes wait undecoded, or a head has begun.
  boolean holdsBytes() {
    return waitingBytes() > 0 || !grammar.atStart();
  }

  /// Whether a next request may begin with the next byte, and nothing came before it.
  boolean isFresh() {
    return part == Part.HEAD && !broken && grammar.isFresh() && waitingBytes() == 0;
  }

  @Override
  protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {
    throw new IllegalArgumentException("both Content-Length and Transfer-Encoding");
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
    if (broken) {
      in.skipBytes(in.readableBytes());
      return;
    }
    if (!wanted.getAsBoolean()) {
      return;
    }
    int from = in.readerIndex();
    int had = out.size();
    super.decode(ctx, in, out);
    if (part != Part.LENGTH && in.readerIndex() > from) {
      grammar.read(in, from, in.readerIndex());
    }
    if (grammar.problem() != null) {
      broken = true;
      fail(out, had, new IllegalArgumentException(grammar.problem()));
      return;
    }
    for (int k = had; k < out.size(); k++) {
      if (out.get(k) instanceof HttpRequest r) {
        boolean chunked = HttpUtil.isTransferEncodingChunked(r);
        part = chunked ? Part.CHUNKS : Part.LENGTH;
        if (chunked) {
          grammar.chunked();
        }
      } else if (out.get(k) instanceof LastHttpContent) {
        part = Part.HEAD;
        grammar.restart();
      }
    }
  }

  /// Puts a broken part before what came of a broken message, unless it is broken already.
  private static void fail(List<Object> out, int at, Exception why) {
    boolean empty = out.size() == at;
    if (!empty && ((HttpObject) out.get(at)).decoderResult().isFailure()) {
      return;
    }
    HttpRequest broken = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    broken.setDecoderResult(DecoderResult.failure(why));
    if (empty) {
      out.add(broken);
    } else {
      out.add(at, broken);
    }
  }
}
