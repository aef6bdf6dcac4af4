package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import java.util.function.BooleanSupplier;

/// Reads one answer at a time from an instance's connection. An answer that is plainly in order
/// goes on as its own bytes, without an object for each of its parts: a [PlainAnswer], slices of
/// its body, [#END]. All else is [StrictResponseDecoder]'s, which stands behind, and comes as its
/// objects; an answer may become the decoder's between two chunks.
/*
 * Plain is a head of HTTP/1.1 that lies whole in what was read, with one length or one `chunked`;
 * chunks with nothing but a size; no trailers. Chunks that are read together go on together: their
 * framing is cut out where they lie.
 */
final class AnswerReader extends BeforeCodec<StrictResponseDecoder> {
  /// A plain answer is over.
  static final Object END = new Object();

  /// A longer piece of a body goes on by itself and is not moved.
  private static final int MOVED_BYTES = 4 << 10;

  /// Longer sizes of chunks are the decoder's.
  private static final int MOST_DIGITS = 7;

  private enum State {
    /// Nothing is expected.
    REST,
    /// The answer is the decoder's.
    CODEC,
    HEAD,
    LENGTH,
    SIZE,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LAST_CR,
    LAST_LF,
    BAD
  }

  private final HeadScan scan;
  private final boolean codecOnly;
  private State state = State.REST;
  private final BooleanSupplier unasked;
  private boolean begun;

  /// Bytes that are left of the body or of the chunk.
  private long left;

  /// The digits of a chunk's size as they came.
  private final byte[] digits = new byte[MOST_DIGITS];

  private int digitCount;

  /// @param codecOnly whether the decoder reads every answer
  /// @param unasked whether what comes now is no part of any answer; it is dropped then
  AnswerReader(HeadScan scan, boolean codecOnly, BooleanSupplier unasked) {
    super(new StrictResponseDecoder());
    this.scan = scan;
    this.codecOnly = codecOnly;
    this.unasked = unasked;
  }

  /// A request is sent: one answer may come.
  ///
  /// @param head whether it is a HEAD request, whose answer has no body whatever it says
  void expect(boolean head) {
    begun = false;
    if (head || codecOnly) {
      state = State.CODEC;
      decoder.expect(head);
    } else {
      state = State.HEAD;
    }
  }

  /// Whether a byte of the answer has come.
  boolean begun() {
    return begun;
  }

  /// Whether bytes came that belong to no answer; they were thrown away.
  boolean surplus() {
    return decoder.surplus();
  }

  /// Whether every byte that came has been read as part of an answer.
  boolean isEmpty() {
    return state != State.BAD && decoder.isEmpty();
  }

  /// Whether the answer ended because the connection did.
  boolean endedByClose() {
    return decoder.endedByClose();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf in = (ByteBuf) message;
    if (unasked.getAsBoolean()) {
      in.release();
      return;
    }
    begun |= in.isReadable();
    switch (state) {
      case REST, CODEC -> leave(ctx, in);
      case BAD -> in.release();
      case HEAD -> head(ctx, in);
      case LENGTH -> length(ctx, in);
      default -> chunks(ctx, in);
    }
  }

  private void head(ChannelHandlerContext ctx, ByteBuf in) {
    PlainAnswer a = scan.answer(in);
    if (a == null) {
      state = State.CODEC;
      decoder.expect(false);
      leave(ctx, in);
      return;
    }
    in.skipBytes(a.fields().headBytes());
    left = a.length();
    digitCount = 0;
    state = a.chunked() ? State.SIZE : State.LENGTH;
    tell(ctx, a);
    if (a.chunked()) {
      chunks(ctx, in);
    } else {
      length(ctx, in);
    }
  }

  private void length(ChannelHandlerContext ctx, ByteBuf in) {
    int n = in.readableBytes();
    if (n > left) {
      ByteBuf body = in.readRetainedSlice((int) left);
      left = 0;
      tell(ctx, body);
      end(ctx, in);
      return;
    }
    left -= n;
    if (n == 0) {
      in.release();
    } else {
      tell(ctx, in);
    }
    if (left == 0) {
      state = State.REST;
      tell(ctx, END);
    }
  }

  /// What is left over is nobody's.
  private void end(ChannelHandlerContext ctx, ByteBuf in) {
    state = State.REST;
    tell(ctx, END);
    if (in.isReadable()) {
      leave(ctx, in);
    } else {
      in.release();
    }
  }

  private void chunks(ChannelHandlerContext ctx, ByteBuf in) {
    int end = in.writerIndex();
    int at = in.readerIndex();
    int from = at;
    int to = at;
    while (at < end) {
      if (state == State.DATA) {
        int n = (int) Math.min(left, end - at);
        if (from == to) {
          from = at;
          to = at + n;
        } else if (n <= MOVED_BYTES) {
          in.setBytes(to, in, at, n);
          to += n;
        } else {
          tell(ctx, in.retainedSlice(from, to - from));
          from = at;
          to = at + n;
        }
        at += n;
        left -= n;
        state = left == 0 ? State.DATA_CR : State.DATA;
        continue;
      }
      State next = next(in.getByte(at));
      if (next == State.CODEC) {
        in.readerIndex(at);
        odd(ctx, in, from, to);
        return;
      }
      at++;
      state = next;
      if (next == State.REST || next == State.BAD) {
        in.readerIndex(at);
        last(ctx, in, from, to);
        return;
      }
    }
    if (from == to) {
      in.release();
    } else {
      tell(ctx, in.setIndex(from, to));
    }
  }

  /// What follows a byte of framing; `CODEC` when it is the decoder's to judge.
  private State next(byte c) {
    return switch (state) {
      case SIZE -> {
        if (c == '\r' && digitCount > 0) {
          yield State.SIZE_LF;
        }
        int digit = Character.digit(c, 16);
        if (digit < 0 || digitCount == MOST_DIGITS) {
          yield State.CODEC;
        }
        left = (digitCount == 0 ? 0 : left << 4) | digit;
        digits[digitCount++] = c;
        yield State.SIZE;
      }
      case SIZE_LF -> c != '\n' ? State.CODEC : left == 0 ? State.LAST_CR : State.DATA;
      case DATA_CR -> c == '\r' ? State.DATA_LF : State.BAD;
      case DATA_LF -> {
        digitCount = 0;
        yield c == '\n' ? State.SIZE : State.BAD;
      }
      case LAST_CR -> c == '\r' ? State.LAST_LF : State.CODEC;
      case LAST_LF -> c == '\n' ? State.REST : State.CODEC;
      default -> throw new IllegalStateException(state.name());
    };
  }

  /// The body so far, and what ends it: its end, or framing that is none.
  private void last(ChannelHandlerContext ctx, ByteBuf in, int from, int to) {
    if (from < to) {
      tell(ctx, in.retainedSlice(from, to - from));
    }
    if (state == State.BAD) {
      in.release();
      tell(ctx, new BadAnswer("chunk that does not end in CR LF"));
    } else {
      end(ctx, in);
    }
  }

  /// The decoder takes over, from the start of the chunk's line on.
  private void odd(ChannelHandlerContext ctx, ByteBuf in, int from, int to) {
    String read =
        switch (state) {
          case SIZE -> "";
          case SIZE_LF -> "\r";
          case LAST_CR -> "\r\n";
          default -> "\r\n\r";
        };
    ByteBuf line = Unpooled.buffer();
    line.writeBytes(decoder.resume()).writeBytes(digits, 0, digitCount).writeBytes(Ascii.of(read));
    state = State.CODEC;
    if (from < to) {
      tell(ctx, in.retainedSlice(from, to - from));
    }
    leave(ctx, line);
    leave(ctx, in);
  }
}
