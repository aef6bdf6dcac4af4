package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What an [AnswerReader] makes of an answer that comes in pieces.
final class ReadAnswers {
  /// @param head the head as the codec's object, or null when none came
  /// @param fields `Name: value`, in order
  /// @param verdict how it ended: `end`, `end by close`, `bad: ...`, or `open`
  /// @param plain whether the head went past the codec
  record Read(
      @Nullable HttpResponse head,
      int status,
      List<String> fields,
      String body,
      List<String> trailers,
      String verdict,
      boolean surplus,
      boolean empty,
      boolean plain,
      List<String> interims) {
    /// Without what tells one framing from the other.
    String shown() {
      boolean rests = empty || !verdict.startsWith("end");
      return interims + " " + status + " " + fields + " " + body + " " + trailers + " " + verdict
          + " " + surplus + " " + rests;
    }
  }

  private ReadAnswers() {}

  static Read of(List<String> pieces, boolean codecOnly, boolean toHead, boolean close) {
    AnswerReader reader = new AnswerReader(new HeadScan(), codecOnly, () -> false);
    reader.expect(toHead);
    EmbeddedChannel c =
        new EmbeddedChannel(reader, reader.decoder(), new ChannelInboundHandlerAdapter());
    for (String p : pieces) {
      c.writeInbound(Unpooled.copiedBuffer(p, ISO_8859_1));
    }
    boolean surplus = reader.surplus();
    boolean empty = reader.isEmpty();
    if (close) {
      c.finish();
    }
    HttpResponse head = null;
    StringBuilder body = new StringBuilder();
    List<String> fields = new ArrayList<>();
    List<String> trailers = new ArrayList<>();
    List<String> interims = new ArrayList<>();
    String verdict = "open";
    boolean plain = false;
    for (Object o = c.readInbound(); o != null; o = c.readInbound()) {
      if (o instanceof BadAnswer no) {
        verdict = "bad: " + BadAnswer.detail(no);
      } else if (o instanceof HttpObject h && h.decoderResult().isFailure()) {
        verdict = "bad: " + BadAnswer.detail(h.decoderResult().cause());
      } else if (o instanceof PlainAnswer a) {
        head = a.response();
        plain = true;
      } else if (o instanceof Interim i) {
        interims.add(i.head().status() + " " + i.head().response().headers().entries());
      } else if (o instanceof HttpResponse r) {
        head = r;
      } else if (o instanceof ByteBuf b) {
        body.append(b.toString(ISO_8859_1));
      } else if (o instanceof HttpContent b) {
        body.append(b.content().toString(ISO_8859_1));
      }
      if (o instanceof LastHttpContent l && l.decoderResult().isSuccess()) {
        l.trailingHeaders().forEach(t -> trailers.add(t.getKey() + ": " + t.getValue()));
      }
      if (AnswerReader.END.equals(o)
          || (o instanceof LastHttpContent l && l.decoderResult().isSuccess())) {
        verdict = reader.endedByClose() ? "end by close" : "end";
      }
      ReferenceCountUtil.release(o);
      if (verdict.startsWith("bad")) {
        break;
      }
    }
    c.finishAndReleaseAll();
    int status = head == null ? 0 : head.status().code();
    if (head != null) {
      head.headers().forEach(f -> fields.add(f.getKey() + ": " + f.getValue()));
    }
    return new Read(
        head, status, fields, body.toString(), trailers, verdict, surplus, empty, plain, interims);
  }
}
