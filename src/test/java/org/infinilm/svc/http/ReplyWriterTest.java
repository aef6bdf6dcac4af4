package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class ReplyWriterTest {
  private final EmbeddedChannel channel = new EmbeddedChannel(new ChannelInboundHandlerAdapter());

  @AfterEach
  void end() {
    channel.finishAndReleaseAll();
  }

  private static PlainAnswer answer(String framing) {
    return new HeadScan()
        .answer(
            Unpooled.copiedBuffer("HTTP/1.1 200 OK\r\nX-A: b\r\n" + framing + "\r\n", ISO_8859_1));
  }

  private ReplyWriter writer(boolean chunked) {
    Outlet out = new Outlet(channel.pipeline().firstContext(), null);
    return new ReplyWriter(out, new HeadWriter(), chunked);
  }

  /// The buffers that went to the socket.
  private List<String> sent() {
    channel.flush();
    List<String> out = new ArrayList<>();
    for (ByteBuf b = channel.readOutbound(); b != null; b = channel.readOutbound()) {
      out.add(b.toString(ISO_8859_1));
      b.release();
    }
    return out;
  }

  private static ByteBuf piece(int bytes) {
    return Unpooled.copiedBuffer("x".repeat(bytes), ISO_8859_1);
  }

  @Test
  void aSmallAnswerIsOneBuffer() {
    ReplyWriter w = writer(true);
    w.head(
        answer("Transfer-Encoding: chunked\r\n"),
        HeadPatch.setting(List.of(new Header("x-b", "c\nd\u00e4\u0416"))),
        "now",
        true);
    w.body(piece(3));
    w.end(new DefaultHttpHeaders().add("x-t", "1"));
    w.flush();
    assertThat(sent())
        .containsExactly(
            String.join(
                "\r\n",
                "HTTP/1.1 200 OK",
                "X-A: b",
                "Transfer-Encoding: chunked",
                "x-b: c?d\u00e4?",
                "date: now",
                "connection: close",
                "",
                "3",
                "xxx",
                "0",
                "x-t: 1",
                "",
                ""));
  }

  @Test
  void anEmptyPieceIsNoChunk() {
    ReplyWriter w = writer(true);
    w.body(Unpooled.EMPTY_BUFFER);
    w.body(piece(0));
    w.flush();
    assertThat(sent()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 255, 256, 4095, 4096, 8192, 8193, 65_536, 1_048_576})
  void eachChunkHasItsSize(int bytes) {
    ReplyWriter w = writer(true);
    w.body(piece(bytes));
    w.body(piece(1));
    w.end(null);
    w.flush();
    assertThat(String.join("", sent()))
        .isEqualTo(
            Integer.toHexString(bytes) + "\r\n" + "x".repeat(bytes) + "\r\n1\r\nx\r\n0\r\n\r\n");
  }

  @Test
  void aLargePieceIsNotCopiedAndABodyWithALengthIsNotFramed() {
    ReplyWriter w = writer(false);
    ByteBuf large = piece(20_000);
    w.body(large);
    w.body(piece(2));
    w.end(null);
    w.flush();
    channel.flush();
    ByteBuf first = channel.readOutbound();
    assertThat(first).isSameAs(large);
    first.release();
    assertThat(sent()).containsExactly("xx");
    assertThat(large.refCnt()).isZero();
  }

  @Test
  void aBufferIsNoLargerThanWhatIsInIt() {
    ReplyWriter w = writer(true);
    w.body(piece(100));
    w.flush();
    channel.flush();
    ByteBuf one = channel.readOutbound();
    assertThat(one.capacity()).isLessThan(512);
    one.release();
  }

  @Test
  void whatIsDroppedIsGivenBack() {
    ReplyWriter w = writer(true);
    ByteBuf p = piece(3);
    w.body(p);
    w.drop();
    assertThat(p.refCnt()).isZero();
    assertThat(sent()).isEmpty();
  }
}
