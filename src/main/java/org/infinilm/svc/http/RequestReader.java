package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import java.util.function.BooleanSupplier;

/// Reads a client's requests. One that is plainly in order goes on as its own bytes: a
/// [PlainRequest], slices of its body, [#END]. All else is [StrictRequestDecoder]'s, which stands
/// behind, and comes as its objects: heads that do not lie whole in what was read, chunks, and what
/// was sent ahead of its turn, among others.
final class RequestReader extends BeforeCodec<StrictRequestDecoder> {
  /// A plain request is whole.
  static final Object END = new Object();

  private final BooleanSupplier wanted;
  private final HeadScan scan;
  private final boolean codecOnly;

  /// Bytes that are left of a plain request's body; -1 between plain requests.
  private long left = -1;

  /// @param wanted whether a request may be read now; while it is false, bytes wait
  /// @param codecOnly whether the decoder reads every request
  RequestReader(BooleanSupplier wanted, HeadScan scan, boolean codecOnly) {
    super(new StrictRequestDecoder(wanted));
    this.wanted = wanted;
    this.scan = scan;
    this.codecOnly = codecOnly;
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf in = (ByteBuf) message;
    if (left >= 0) {
      body(ctx, in);
      return;
    }
    PlainRequest r =
        codecOnly || !wanted.getAsBoolean() || !decoder.isFresh() ? null : scan.request(in);
    if (r == null) {
      leave(ctx, in);
      return;
    }
    in.skipBytes(r.lines().headBytes());
    left = r.length();
    tell(ctx, r);
    body(ctx, in);
  }

  private void body(ChannelHandlerContext ctx, ByteBuf in) {
    int n = in.readableBytes();
    if (n < left) {
      left -= n;
      pass(ctx, in);
      return;
    }
    ByteBuf rest =
        n > left ? in.retainedSlice(in.readerIndex() + (int) left, n - (int) left) : null;
    in.writerIndex(in.readerIndex() + (int) left);
    left = -1;
    pass(ctx, in);
    tell(ctx, END);
    if (rest != null) {
      leave(ctx, rest);
    }
  }

  private void pass(ChannelHandlerContext ctx, ByteBuf in) {
    if (in.isReadable()) {
      tell(ctx, in);
    } else {
      in.release();
    }
  }
}
