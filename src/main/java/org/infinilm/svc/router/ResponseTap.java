package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import io.netty.util.ByteProcessor;
import org.infinilm.svc.policy.Facts.Usage;
import org.jspecify.annotations.Nullable;

/// Watches an answer pass: bytes, SSE events, the times between its pieces, and the last 2 KiB,
/// where `usage` stands. Event-loop confined; [#close] ends its use.
final class ResponseTap implements ByteProcessor {
  static final int TAIL_BYTES = Tape.TAIL_BYTES;

  /// Of a stream with one token: role, token, reason of the end, end.
  private static final int BRIEF_EVENTS = 4;

  private static final int MANY_TOKENS = 16;
  private static final long AT_ONCE_NANOS = 50_000_000;

  private static final byte[] DONE = {'[', 'D', 'O', 'N', 'E', ']'};
  private static final byte[] DATA = {'d', 'a', 't', 'a', ':'};

  private final Tape tape = Tape.take();
  private final byte[] tail = tape.tail;
  private boolean closed;
  private boolean done;
  private long lastNanos;
  private int tailAt;
  private long bytes;
  private int events;

  // Lines end with LF, CR LF or CR (the HTML standard, section 9.2.5); an empty one ends an event.
  private boolean emptyLine = true;
  private boolean afterCr;
  private boolean insideEvent;

  /// Whether the block that is under way has a line beside comments, which are no event (`: ping`).
  private boolean says;

  void slice(ByteBuf b, boolean sse) {
    int n = b.readableBytes();
    bytes += n;
    int from = b.writerIndex() - Math.min(n, tail.length);
    for (int left = b.writerIndex() - from; left > 0; ) {
      int run = Math.min(left, tail.length - tailAt);
      b.getBytes(from, tail, tailAt, run);
      tailAt = (tailAt + run) & (tail.length - 1);
      from += run;
      left -= run;
    }
    if (sse) {
      if (afterCr || b.indexOf(b.readerIndex(), b.writerIndex(), (byte) '\r') >= 0) {
        b.forEachByte(this);
      } else {
        lines(b);
      }
    }
  }

  /// The same as [#process] for bytes without a CR, by lines.
  private void lines(ByteBuf b) {
    int to = b.writerIndex();
    for (int from = b.readerIndex(); from < to; ) {
      int lf = b.indexOf(from, to, (byte) '\n');
      int end = lf < 0 ? to : lf;
      if (end > from) {
        says |= emptyLine && b.getByte(from) != ':';
        emptyLine = false;
        insideEvent = true;
      }
      if (lf >= 0) {
        lineEnds();
      }
      from = end + 1;
    }
  }

  /// A piece of a stream came at this time.
  void piece(long nanos) {
    if (lastNanos != 0) {
      tape.gap(nanos - lastNanos);
    }
    lastNanos = nanos;
  }

  /// The times between pieces, until it is closed.
  Tape tape() {
    return tape;
  }

  /// What its `usage` said, or null; until it is closed.
  @Nullable Usage usage() {
    byte[] scratch = Tape.scratch();
    return UsageReader.read(scratch, tail(scratch));
  }

  /// Whether it ended for its length with its first token, or before, though more was asked for;
  /// until it is closed. Where it does not tell its tokens (an event may hold several, and what was
  /// thought is held by none) only what was over at once counts.
  ///
  /// @param usage what it said of its tokens, or null
  /// @param most tokens that its client asked for; 0 for no limit
  /// @param tookNanos from sending the request to its end
  boolean isCutAtOnce(@Nullable Usage usage, long most, long tookNanos) {
    boolean brief =
        usage != null
            ? usage.completionTokens() <= 1 && most != 1
            : events > 0
                && events <= BRIEF_EVENTS
                && (most == 0 || most > MANY_TOKENS)
                && tookNanos <= AT_ONCE_NANOS;
    if (!brief) {
      return false;
    }
    byte[] scratch = Tape.scratch();
    return EndReason.isLength(scratch, tail(scratch));
  }

  /// Gives its memory back.
  void close() {
    if (!closed) {
      done = endsWithDone();
      closed = true;
      tape.giveBack();
    }
  }

  private void lineEnds() {
    if (emptyLine && insideEvent) {
      events += says ? 1 : 0;
      says = false;
      insideEvent = false;
    }
    emptyLine = true;
  }

  @Override
  public boolean process(byte value) {
    if (value == '\n' && afterCr) {
      afterCr = false;
    } else if (value == '\n' || value == '\r') {
      lineEnds();
      afterCr = value == '\r';
    } else {
      says |= emptyLine && value != ':';
      emptyLine = false;
      afterCr = false;
      insideEvent = true;
    }
    return true;
  }

  long bytes() {
    return bytes;
  }

  int events() {
    return events;
  }

  /// Whether the last event of the stream is complete.
  boolean betweenEvents() {
    return !insideEvent;
  }

  /// Whether the last event, complete or short of its empty line, is the `[DONE]` that ends an
  /// OpenAI stream.
  boolean endsWithDone() {
    if (closed) {
      return done;
    }
    int end = 0;
    while (end < 4 && (at(end + 1) == '\n' || at(end + 1) == '\r')) {
      end++;
    }
    if (end == 0 || !endsWith(DONE, end)) {
      return false;
    }
    end += DONE.length;
    end += at(end + 1) == ' ' ? 1 : 0;
    if (!endsWith(DATA, end)) {
      return false;
    }
    end += DATA.length;
    return bytes == end || at(end + 1) == '\n' || at(end + 1) == '\r';
  }

  /// Whether `word` stands before the last `skipped` bytes.
  private boolean endsWith(byte[] word, int skipped) {
    for (int k = 1; k <= word.length; k++) {
      if (at(skipped + k) != word[word.length - k]) {
        return false;
      }
    }
    return bytes >= skipped + word.length;
  }

  private byte at(int fromEnd) {
    return tail[(tailAt - fromEnd) & (tail.length - 1)];
  }

  /// Copies the last bytes of the answer, at most [#TAIL_BYTES].
  ///
  /// @return how many
  int tail(byte[] out) {
    int n = (int) Math.min(bytes, tail.length);
    int from = (tailAt - n) & (tail.length - 1);
    int run = Math.min(n, tail.length - from);
    System.arraycopy(tail, from, out, 0, run);
    System.arraycopy(tail, 0, out, run, n - run);
    return n;
  }
}
