package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Puts another model into a body, for aliases: a JSON object's top-level `model`, or the field of
/// a form; every other byte stays as it came, and where it lay. Only what a coding hid takes memory
/// of its own. Stateless but for [Passing]; on any thread.
public final class ModelRewrite {
  private static final int WINDOW = 16 << 10;
  private static final int LEAST_CHUNK = 4 << 10;
  private static final int LARGEST_CHUNK = 256 << 10;

  private ModelRewrite() {}

  /// Bytes of a body, from its start.
  record Range(int from, int to) {}

  /// A new body, which may share its bytes with the old one.
  ///
  /// @param decoded whether its Content-Encoding was undone on the way
  /// @param roomBytes taken from `room`
  public record Rewritten(ByteBuf body, boolean decoded, Room room, long roomBytes) {
    public void release() {
      body.release();
      room.giveBack(roomBytes);
    }
  }

  /// An answer's body on its way through. Event-loop confined.
  public interface Passing {
    /// What goes on instead of a piece, which it takes over; less than that while the end of a
    /// value is awaited.
    ByteBuf pass(ByteBuf piece);

    /// What is still held back when the answer ends or breaks off.
    ByteBuf rest();
  }

  /// Puts `model` into an answer in no coding: a JSON object, or an event stream whose data are
  /// such. All other bytes stay as they came.
  ///
  /// @param inside the top-level key whose object has a `model` of its own that counts too, or null
  public static Passing answer(boolean events, @Nullable String inside, String model) {
    return new AnswerModel(events, inside, model);
  }

  /// `body` with `model` wherever it named one, or null when there is no memory for it. A body that
  /// breaks off is changed as far as it can be read; one that is not in its coding is not.
  ///
  /// @param contentType the field's value, or null
  /// @param contentEncoding the field's value, or null
  public static @Nullable Rewritten of(
      ByteBuf body,
      @Nullable String contentType,
      @Nullable String contentEncoding,
      String model,
      Room room) {
    String coding = ContentCoding.of(contentEncoding);
    if (coding == null || coding.equals(ContentCoding.IDENTITY)) {
      return new Rewritten(of(body, contentType, model), false, room, 0);
    }
    Plain plain = new Plain(body, room);
    try (InputStream in =
        ContentCoding.open(coding, new ByteBufInputStream(body.duplicate(), false))) {
      if (plain.fill(in)) {
        return new Rewritten(of(plain.whole, contentType, model), true, room, plain.taken());
      }
    } catch (IOException | RuntimeException | StackOverflowError | InternalError brokenCoding) {
      plain.drop();
      return new Rewritten(body.retainedDuplicate(), false, room, 0);
    } catch (OutOfMemoryError full) {
      // as when the budget is full
    } finally {
      plain.release();
    }
    plain.drop();
    return null;
  }

  /// A body with its coding undone, in chunks.
  private static final class Plain {
    final CompositeByteBuf whole;
    private final ByteBufAllocator alloc;
    private final Room room;
    private @Nullable ByteBuf chunk;
    private int chunkBytes;
    private long taken;

    Plain(ByteBuf encoded, Room room) {
      this.alloc = encoded.alloc();
      this.room = room;
      this.whole = alloc.compositeDirectBuffer(Integer.MAX_VALUE);
      this.chunkBytes = Math.clamp(4L * encoded.readableBytes(), LEAST_CHUNK, LARGEST_CHUNK);
    }

    /// False when there is no room for all of it.
    boolean fill(InputStream in) throws IOException {
      byte[] window = new byte[WINDOW];
      for (int n = in.read(window); n >= 0; n = in.read(window)) {
        for (int from = 0; from < n; ) {
          ByteBuf c = chunk;
          if (c == null || !c.isWritable()) {
            chunkEnds();
            if (!room.take(chunkBytes)) {
              return false;
            }
            taken += chunkBytes;
            c = alloc.directBuffer(chunkBytes, chunkBytes);
            chunk = c;
            chunkBytes = LARGEST_CHUNK;
          }
          int some = Math.min(n - from, c.writableBytes());
          c.writeBytes(window, from, some);
          from += some;
        }
      }
      chunkEnds();
      return true;
    }

    private void chunkEnds() {
      ByteBuf c = chunk;
      chunk = null;
      if (c != null) {
        whole.addComponent(true, c);
      }
    }

    void release() {
      chunkEnds();
      whole.release();
    }

    long taken() {
      return taken;
    }

    void drop() {
      room.giveBack(taken);
    }
  }

  private static ByteBuf of(ByteBuf body, @Nullable String contentType, String model) {
    byte[] boundary = contentType == null ? null : MultipartModel.boundary(contentType);
    if (boundary == null) {
      List<Range> values = new ArrayList<>(1);
      feed(body, new ModelSpots((from, to) -> values.add(new Range((int) from, (int) to))));
      if (values.isEmpty() && UrlencodedModel.is(contentType)) {
        UrlencodedModel form = new UrlencodedModel();
        feed(body, form);
        return replaced(
            body,
            form.values(),
            URLEncoder.encode(model, StandardCharsets.UTF_8).getBytes(StandardCharsets.US_ASCII));
      }
      return replaced(body, values, Json.bytes(model));
    }
    MultipartModel form = new MultipartModel(boundary);
    feed(body, form);
    return replaced(body, form.values(), model.getBytes(StandardCharsets.UTF_8));
  }

  private static void feed(ByteBuf body, BodyPeek.Sink sink) {
    byte[] window = new byte[Math.min(WINDOW, body.readableBytes())];
    int to = body.writerIndex();
    for (int from = body.readerIndex(); from < to && sink.wantsMore(); ) {
      int n = Math.min(window.length, to - from);
      body.getBytes(from, window, 0, n);
      sink.feed(window, 0, n);
      from += n;
    }
  }

  private static ByteBuf replaced(ByteBuf body, List<Range> ranges, byte[] value) {
    int start = body.readerIndex();
    int done = 0;
    CompositeByteBuf out = body.alloc().compositeBuffer(Integer.MAX_VALUE);
    for (Range r : ranges) {
      out.addComponent(true, body.retainedSlice(start + done, r.from() - done));
      out.addComponent(true, Unpooled.wrappedBuffer(value));
      done = r.to();
    }
    return out.addComponent(true, body.retainedSlice(start + done, body.readableBytes() - done));
  }
}
