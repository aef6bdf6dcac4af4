package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class LargeBodyTest {
  private static final int PART = 1000;

  private final EmbeddedChannel channel = new EmbeddedChannel();
  private final List<ByteBuf> pieces = new ArrayList<>();
  private final List<@Nullable Throwable> done = new ArrayList<>();
  private int lasts;

  /// Of more parts than one gathering write takes: Netty would copy it whole.
  private static ByteBuf body(int bytes) {
    CompositeByteBuf whole = Unpooled.compositeBuffer(Integer.MAX_VALUE);
    for (int at = 0; at < bytes; at += PART) {
      ByteBuf part = Unpooled.buffer();
      for (int i = at; i < Math.min(bytes, at + PART); i++) {
        part.writeByte(i * 31 >> 4);
      }
      whole.addComponent(true, part);
    }
    return whole;
  }

  private LargeBody large(ByteBuf body, LargeBody.Way way) {
    return new LargeBody(channel.eventLoop(), body, way, done::add);
  }

  private boolean take(ByteBuf piece, boolean last) {
    pieces.add(piece);
    lasts += last ? 1 : 0;
    return true;
  }

  @Test
  void aRoundOfTheLoopSendsOnePiece() {
    int bytes = 3 * LargeBody.PIECE_BYTES + 7;
    ByteBuf body = body(bytes);
    ByteBuf expected = body.copy();
    LargeBody large = large(body, (piece, last, rest) -> take(piece, last));
    large.send();
    assertThat(pieces).hasSize(1);
    assertThat(large.left()).isEqualTo(2 * LargeBody.PIECE_BYTES + 7);
    assertThat(done).isEmpty();

    // the tasks of this round are not the next round
    List<Integer> seen = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      seen.add(pieces.size());
      channel.runScheduledPendingTasks();
    }

    assertThat(seen).containsExactly(1, 2, 3, 4);
    assertThat(lasts).isEqualTo(1);
    assertThat(done).containsExactly((Throwable) null);
    assertThat(pieces.getLast().readableBytes()).isEqualTo(7);
    assertThat(Unpooled.wrappedBuffer(pieces.toArray(ByteBuf[]::new))).isEqualTo(expected);
    assertThat(large.left()).isZero();
    pieces.forEach(ByteBuf::release);
    assertThat(body.refCnt()).isZero();
  }

  @Test
  void whatIsNotTakenAtOnceIsWaitedFor() {
    List<Outlet.Done> waiting = new ArrayList<>();
    LargeBody large =
        large(
            body(LargeBody.PIECE_BYTES + 1),
            (piece, last, rest) -> {
              piece.release();
              waiting.add(rest);
              return false;
            });
    large.send();
    channel.runScheduledPendingTasks();
    assertThat(waiting).hasSize(1);

    waiting.getFirst().done(null);
    channel.runScheduledPendingTasks();
    assertThat(waiting).hasSize(2);
    assertThat(done).isEmpty();

    waiting.getLast().done(null);
    assertThat(done).containsExactly((Throwable) null);
  }

  @Test
  void aPieceThatDoesNotGoOutIsTheEnd() {
    IOException reset = new IOException("reset");
    ByteBuf body = body(5 * LargeBody.PIECE_BYTES);
    LargeBody large =
        large(
            body,
            (piece, last, rest) -> {
              boolean first = pieces.isEmpty();
              take(piece, last);
              if (!first) {
                rest.done(reset);
              }
              return first;
            });
    large.send();
    channel.runScheduledPendingTasks();
    channel.runScheduledPendingTasks();

    assertThat(pieces).hasSize(2);
    assertThat(done).containsExactly(reset);
    pieces.forEach(ByteBuf::release);
    assertThat(body.refCnt()).isZero();
  }
}
