package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class BodyCollectorTest {
  private static final ByteBufAllocator ALLOC = UnpooledByteBufAllocator.DEFAULT;

  @Test
  void piecesOfAnySizeGiveTheBodyBack() {
    SplittableRandom random = new SplittableRandom(3);
    for (int round = 0; round < 50; round++) {
      BodyCollector body = new BodyCollector();
      ByteArrayOutputStream expected = new ByteArrayOutputStream();
      List<ByteBuf> given = new ArrayList<>();
      for (int k = random.nextInt(60); k > 0; k--) {
        byte[] piece = new byte[random.nextInt(3) == 0 ? random.nextInt(9000) : random.nextInt(9)];
        random.nextBytes(piece);
        expected.writeBytes(piece);
        ByteBuf b = Unpooled.copiedBuffer(piece);
        given.add(b);
        body.add(b, ALLOC);
      }
      assertThat(body.bytes()).isEqualTo(expected.size());
      ByteBuf whole = body.take(ALLOC);
      byte[] bytes = new byte[whole.readableBytes()];
      whole.readBytes(bytes);
      assertThat(bytes).isEqualTo(expected.toByteArray());
      assertThat(body.bytes()).isZero();
      whole.release();
      assertThat(given).allMatch(b -> b.refCnt() == 0 || b.capacity() == 0);
    }
  }

  @Test
  void manyPiecesOfOneByteCostFewBuffers() {
    BodyCollector body = new BodyCollector();
    for (int k = 0; k < 100_000; k++) {
      body.add(Unpooled.copiedBuffer(new byte[] {'a'}), ALLOC);
    }
    ByteBuf whole = body.take(ALLOC);
    assertThat(whole.readableBytes()).isEqualTo(100_000);
    assertThat(((CompositeByteBuf) whole).numComponents()).isLessThan(10);
    whole.release();
  }

  @Test
  void onePieceIsTheBodyItselfAndDroppingGivesAllBack() {
    BodyCollector body = new BodyCollector();
    ByteBuf one = Unpooled.copiedBuffer(new byte[9]);
    body.add(one, ALLOC);
    assertThat(body.take(ALLOC)).isSameAs(one);
    assertThat(body.take(ALLOC).readableBytes()).isZero();
    body.add(one, ALLOC);
    body.add(Unpooled.copiedBuffer(new byte[3]), ALLOC);
    body.drop();
    assertThat(one.refCnt()).isZero();
    assertThat(body.bytes()).isZero();
    assertThat(body.held()).isZero();
  }
}
